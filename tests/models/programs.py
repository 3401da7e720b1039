"""Runs every model case on the CPU and on flagos in this process and prints one JSON object: case -> what differs.

A process of its own, because the routing file and the random engine are those of its environment. `null` for a case
says that all results have equal bits.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import torch
import torch_fl  # noqa: F401

from tests.conformance.case import describe
from tests.conformance.comparison import Comparison

from . import tiny

Device = str
Program = Callable[[Device], Any]
DEVICE = "flagos"
_STEPS = 10


# ---- Qwen3: forward ----
def _forward(attention: str, dtype: torch.dtype) -> Program:
    @torch.no_grad()
    def program(device: Device) -> Any:
        return tiny.qwen3(attention, dtype).to(device)(tiny.tokens().to(device)).logits

    return program


# ---- Qwen3: generation ----
def _generate(padded: bool = False, **settings: Any) -> Program:
    def program(device: Device) -> Any:
        model, prompt = tiny.qwen3().to(device), tiny.tokens()
        mask = torch.ones_like(prompt)
        if padded:
            prompt[0, :5], mask[0, :5] = 0, 0
        torch.manual_seed(3)
        made = model.generate(
            prompt.to(device), attention_mask=mask.to(device), max_new_tokens=16, min_new_tokens=16, **settings
        )
        assert made.shape == (2, 28), made.shape
        return made

    return program


# ---- Qwen3: training ----
def _train(
    dtype: torch.dtype = torch.float32,
    autocast: bool = False,
    checkpointing: bool = False,
    dropout: float = 0.0,
    **optimizer: Any,
) -> Program:
    def program(device: Device) -> Any:
        attention = "eager" if dropout else "sdpa"
        model = tiny.qwen3(attention, dtype, attention_dropout=dropout).to(device).train()
        if checkpointing:
            model.activation_checkpointing_enable()
        steps = torch.optim.AdamW(model.parameters(), lr=1e-3, **optimizer)
        batch, losses = tiny.tokens(2, 32).to(device), []
        torch.manual_seed(4)
        for _ in range(_STEPS):
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=autocast):
                loss = model(batch, labels=batch).loss
            steps.zero_grad()
            loss.backward()
            steps.step()
            losses.append(loss.detach())
        assert losses[-1] < losses[0], "training does not lower the loss"
        return losses, {name: parameter.detach() for name, parameter in model.named_parameters()}

    return program


# ---- MiniLM ----
def _minilm(attention: str) -> Program:
    def program(device: Device) -> Any:
        tokenizer, encoder = tiny.minilm(attention)
        vectors = tiny.embed(tokenizer, encoder.to(device), tiny.SENTENCES)
        alike = vectors @ vectors.T
        assert alike[0, 1] > 0.4 > 0.2 > alike[0, 2], "related sentences must lie nearer than unrelated ones"
        return vectors

    return program


# ---- Threads ----
def _threads(device: Device) -> Any:
    """8 threads, 1000 forwards each over the same weights; every output must be the first one's, bit for bit."""
    torch.manual_seed(5)
    layer = torch.nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True).eval().to(device)
    operand = torch.randn(2, 8, 32).to(device)
    with torch.no_grad():
        first = layer(operand)
    wrong, failed = [0] * 8, []

    def work(number: int) -> None:
        try:
            with torch.no_grad():
                for _ in range(1000 if device == DEVICE else 1):
                    wrong[number] += not torch.equal(layer(operand), first)
        except Exception as error:  # carried to the thread that reports it
            failed.append(describe(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return first, wrong, failed


CASES: dict[str, Program] = {
    **{
        f"forward {attention} {str(dtype).removeprefix('torch.')}": _forward(attention, dtype)
        for attention in ("sdpa", "eager")
        for dtype in (torch.float32, torch.bfloat16)
    },
    "generate greedy": _generate(do_sample=False),
    "generate sampled": _generate(do_sample=True, top_k=50, temperature=0.9),
    "generate beam": _generate(do_sample=False, num_beams=3),
    "generate static cache": _generate(do_sample=False, cache_implementation="static"),
    "generate left padded": _generate(do_sample=False, padded=True),
    "train default": _train(),
    "train foreach": _train(foreach=True),
    "train fused": _train(fused=True),
    "train autocast bfloat16": _train(autocast=True),
    "train bfloat16 weights": _train(dtype=torch.bfloat16),
    "train checkpointing": _train(checkpointing=True),
    "train attention dropout": _train(dropout=0.1),
    "MiniLM sdpa": _minilm("sdpa"),
    "MiniLM eager": _minilm("eager"),
    "8 threads over shared weights": _threads,
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not fall into the JSON
    torch.set_num_threads(1)
    comparison = Comparison(torch.device(DEVICE), {})
    found: dict[str, str | None] = {}
    for name, program in CASES.items():
        print(name, file=sys.stderr, flush=True)
        expected = program("cpu")
        try:
            found[name] = comparison.difference(expected, program(DEVICE), placed=True)
        except Exception as error:  # a finding about the device: the CPU ran the same program
            found[name] = describe(error)
    json.dump(found, answers)
    answers.close()


if __name__ == "__main__":
    main()
