"""Qwen3 inference: logits and greedily generated tokens are the CPU's. `--model PATH` takes a real checkpoint."""

from __future__ import annotations

import copy
import time

import pytest
import torch

from tests.models import tiny

pytestmark = pytest.mark.anyplatform
PROMPT = "The capital of France is"
NEW_TOKENS = 24


@pytest.fixture(scope="module")
def models(model_path: str | None) -> dict[str, torch.nn.Module]:
    """The same weights on the CPU and on flagos."""
    if model_path is None:
        model = tiny.qwen3()
    else:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32).eval()
    return {"cpu": model, "flagos": copy.deepcopy(model).to("flagos")}


@pytest.fixture(scope="module")
def prompt(model_path: str | None) -> torch.Tensor:
    if model_path is None:
        return tiny.tokens(1, 12)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(model_path)(PROMPT, return_tensors="pt").input_ids


def test_every_weight_is_on_the_device(models: dict[str, torch.nn.Module]) -> None:
    tensors = [*models["flagos"].parameters(), *models["flagos"].buffers()]
    assert {tensor.device.type for tensor in tensors} == {"flagos"}


@torch.no_grad()
def test_logits(models: dict[str, torch.nn.Module], prompt: torch.Tensor) -> None:
    expected = models["cpu"](prompt).logits
    actual = models["flagos"](prompt.to("flagos")).logits
    assert actual.device.type == "flagos"
    torch.testing.assert_close(actual.cpu(), expected, rtol=1e-3, atol=1e-3)


def test_greedy_tokens(models: dict[str, torch.nn.Module], prompt: torch.Tensor, model_path: str | None) -> None:
    made, seconds = {}, {}
    for device, model in models.items():
        started = time.perf_counter()
        moved = prompt.to(device)
        made[device] = model.generate(
            moved, attention_mask=torch.ones_like(moved), max_new_tokens=NEW_TOKENS, do_sample=False
        ).cpu()
        seconds[device] = time.perf_counter() - started
    print("".join(f"\n{device}: {NEW_TOKENS / taken:.1f} tokens/s" for device, taken in seconds.items()))
    if model_path is not None:
        from transformers import AutoTokenizer

        print(AutoTokenizer.from_pretrained(model_path).decode(made["flagos"][0]))
    assert made["flagos"].tolist() == made["cpu"].tolist()
