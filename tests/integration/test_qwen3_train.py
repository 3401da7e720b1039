"""Qwen3 training on one device: `--steps` AdamW steps give the CPU's losses, and lower them. `--model PATH` too."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.models import tiny

pytestmark = pytest.mark.anyplatform


def train(model: torch.nn.Module, device: str, steps: int) -> list[float]:
    """The losses of `steps` AdamW steps on one batch of token ids."""
    model = copy.deepcopy(model).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    batch, losses = tiny.tokens(2, 48).to(device), []
    for _ in range(steps):
        loss = model(batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    states = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    assert {tensor.device.type for tensor in states} == {torch.device(device).type}
    return losses


def test_losses(model_path: str | None, steps: int) -> None:
    if model_path is None:
        model = tiny.qwen3()
    else:
        from transformers import AutoModelForCausalLM

        model = AutoModelForCausalLM.from_pretrained(model_path, dtype=torch.float32)
    expected, actual = train(model, "cpu", steps), train(model, "flagos", steps)
    for step, losses in enumerate(zip(actual, expected, strict=True), 1):
        print(f"step {step}: loss {losses[0]:.5f} (cpu {losses[1]:.5f})")
    # Rounding grows with the steps: a step's parameters are the next one's operands.
    torch.testing.assert_close(torch.tensor(actual), torch.tensor(expected), rtol=1e-3, atol=1e-3)
    if steps > 1:
        assert actual[-1] < actual[0]
