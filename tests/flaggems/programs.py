"""Runs one model on the CPU and on flagos and prints what differs, and the share of routed calls that FlagGems served.

Views and copies are not routed, so they are no part of the share; nor is reading one number to the host.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import torch
import torch_fl
from torch_fl import routing

from tests.models import tiny

STEPS = 10


def _share(report: routing.Report) -> float:
    served = {row: row.calls - row.declined for row in report if row.operator != "_local_scalar_dense"}
    of_flaggems = sum(calls for row, calls in served.items() if row.target in torch_fl.integration.FLAGGEMS_TARGETS)
    return of_flaggems / sum(served.values())


def generate() -> dict[str, float]:
    def tokens(device: str) -> torch.Tensor:
        prompt = tiny.tokens().to(device)
        settings = {"max_new_tokens": 16, "min_new_tokens": 16, "do_sample": False}
        return tiny.qwen3().to(device).generate(prompt, attention_mask=torch.ones_like(prompt), **settings).cpu()

    expected = tokens("cpu")
    with routing.trace() as ledger:
        actual = tokens("flagos")
    return {"tokens that differ": int((expected != actual).sum()), "share": _share(ledger.report())}


def train() -> dict[str, float]:
    def losses(device: str) -> torch.Tensor:
        model = tiny.qwen3().to(device).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        batch, found = tiny.tokens(2, 32).to(device), []
        for _ in range(STEPS):
            loss = model(batch, labels=batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.detach())
        return torch.stack(found).cpu()

    expected = losses("cpu")
    with routing.trace() as ledger:
        actual = losses("flagos")
    return {
        "largest relative difference": ((expected - actual) / expected).abs().max().item(),
        "first loss": actual[0].item(),
        "last loss": actual[-1].item(),
        "share": _share(ledger.report()),
    }


def embed() -> dict[str, float]:
    tokenizer, encoder = tiny.minilm()
    expected = tiny.embed(tokenizer, encoder, tiny.SENTENCES)
    encoder = encoder.to("flagos")
    with routing.trace() as ledger:
        actual = tiny.embed(tokenizer, encoder, tiny.SENTENCES).cpu()
    return {"largest difference": (expected - actual).abs().max().item(), "share": _share(ledger.report())}


PROGRAMS: dict[str, Callable[[], dict[str, float]]] = {"generate": generate, "train": train, "embed": embed}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]]()))
