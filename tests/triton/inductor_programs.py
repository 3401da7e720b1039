"""Functions that torch.compile turns into Triton kernels, for the cpu tensors of `cpu_backend = "triton"`.

    python -m tests.triton.inductor_programs cpu OUTPUT.json [NAME ...]
    python -m tests.triton.inductor_programs flagos OUTPUT.json

compiles each, compares it with eager, and writes what became of it: null, or the first line of what went wrong.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

F32 = torch.float32


def random(*sizes: int, dtype: torch.dtype = F32) -> Tensor:
    return torch.randn(*sizes).to(dtype)


# name -> (function, operands)
PROGRAMS: dict[str, tuple[Callable[..., object], Callable[[], tuple[Tensor, ...]]]] = {
    "pointwise": (lambda x, y: torch.sin(x) * y + torch.relu(x - y), lambda: (random(64, 300), random(64, 300))),
    "broadcast": (lambda x, y: x + y[:, None] * 2, lambda: (random(64, 300), random(64))),
    "transposed": (lambda x, y: x.T + y, lambda: (random(64, 48), random(48, 64))),
    "where": (lambda x, y: torch.where(x > 0.5, x, y.exp()), lambda: (random(1000), random(1000))),
    "clamp and casts": (lambda x: x.clamp(-1, 1).to(torch.int32) + x.to(torch.int64), lambda: (random(999) * 3,)),
    "half": (lambda x, y: (x * y).tanh(), lambda: (random(500, dtype=torch.float16), random(500, dtype=torch.float16))),
    "bfloat16": (lambda x: functional.silu(x) + 1, lambda: (random(500, dtype=torch.bfloat16),)),
    "float64": (lambda x: x.exp().log1p(), lambda: (random(500, dtype=torch.float64),)),
    "integers": (lambda x, y: (x // y) ^ (x % y), lambda: (torch.randint(-99, 99, (50,)), torch.randint(1, 9, (50,)))),
    "gelu": (lambda x: functional.gelu(x), lambda: (random(2000),)),
    "gelu tanh": (lambda x: functional.gelu(x, approximate="tanh"), lambda: (random(2000),)),
    "special functions": (lambda x: torch.erf(x) + torch.expm1(x) + torch.atan(x), lambda: (random(700),)),
    "pow": (lambda x: x.abs() ** 1.7 + x**2 + x**3, lambda: (random(700),)),
    "sum of rows": (lambda x: x.sum(-1), lambda: (random(64, 300),)),
    "sum of columns": (lambda x: x.sum(0), lambda: (random(64, 300),)),
    "sum of all": (lambda x: x.sum(), lambda: (random(64, 300),)),
    "mean and var": (lambda x: torch.stack(torch.var_mean(x, -1)), lambda: (random(32, 500),)),
    "max and argmax": (lambda x: (x.max(-1).values, x.argmax(-1)), lambda: (random(32, 500),)),
    "any and all": (lambda x: ((x > 2).any(-1), (x > -3).all(0)), lambda: (random(32, 500),)),
    "product": (lambda x: x.prod(-1), lambda: (1 + random(32, 50) / 10,)),
    "long reduction": (lambda x: (x * x).sum(-1), lambda: (random(4, 20_000),)),
    "cumsum": (lambda x: x.cumsum(-1), lambda: (random(16, 200),)),
    "softmax": (lambda x: torch.softmax(x, -1), lambda: (random(64, 300),)),
    "log softmax": (lambda x: torch.log_softmax(x, 0), lambda: (random(64, 300),)),
    "cross entropy": (functional.cross_entropy, lambda: (random(64, 100), torch.randint(0, 100, (64,)))),
    "layer norm": (
        lambda x, w, b: functional.layer_norm(x, (300,), w, b), lambda: (random(64, 300), random(300), random(300))
    ),
    "rms norm": (lambda x, w: functional.rms_norm(x, (300,), w), lambda: (random(64, 300), random(300))),
    "group norm": (lambda x: functional.group_norm(x, 4), lambda: (random(2, 8, 10, 10),)),
    "batch norm": (
        lambda x, m, v: functional.batch_norm(x, m, v.abs() + 1), lambda: (random(4, 6, 9, 9), random(6), random(6))
    ),
    "index": (lambda x, i: x[i] * 2, lambda: (random(64, 300), torch.randint(0, 64, (50,)))),
    "embedding": (lambda w, i: functional.embedding(i, w) + 1, lambda: (random(9, 32), torch.randint(0, 9, (4, 7)))),
    "gather": (lambda x, i: x.gather(1, i).relu(), lambda: (random(20, 30), torch.randint(0, 30, (20, 11)))),
    "scatter add": (
        lambda x, i: torch.zeros(10).scatter_add(0, i, x), lambda: (random(200), torch.randint(0, 10, (200,)))
    ),
    "cat and slices": (lambda x, y: torch.cat([x[:, :10], y[:, 5:] * 2], 1), lambda: (random(8, 20), random(8, 20))),
    "pad and flip": (lambda x: functional.pad(x, (1, 2)).flip(0), lambda: (random(10, 13),)),
    "max pool": (lambda x: functional.max_pool2d(x, 3, 2, 1).relu(), lambda: (random(2, 3, 16, 16),)),
    "interpolate": (lambda x: functional.interpolate(x, None, 2, "bilinear"), lambda: (random(1, 2, 8, 8),)),
    "matmul with epilogue": (lambda a, b, c: torch.relu(a @ b + c), lambda: (random(6, 7), random(7, 5), random(5))),
    "batched matmul": (lambda a, b: (a @ b).sigmoid(), lambda: (random(3, 20, 30), random(3, 30, 10))),
    "convolution": (
        lambda x, w: functional.conv2d(x, w, padding=1).relu() * 2, lambda: (random(2, 3, 12, 12), random(5, 3, 3, 3))
    ),
    "attention by hand": (
        lambda q, k, v: torch.softmax((q @ k.transpose(-1, -2)).tanh(), -1) @ v,
        lambda: (random(2, 3, 20, 16), random(2, 3, 20, 16), random(2, 3, 20, 16)),
    ),
    "sort of rows": (lambda x: torch.sort(x + 1, -1).values * 2, lambda: (random(16, 60),)),
    "views": (lambda x: (x.view(4, 16, 10).permute(2, 0, 1) + 1).reshape(-1)[::3], lambda: (random(64, 10),)),
    "in place": (lambda x: x.clone().add_(1).mul_(x), lambda: (random(400),)),
}  # fmt: skip


def same(ours: object, theirs: object, dtype: torch.dtype) -> None:
    """Inductor's own tolerances (torch/_inductor tests): those of assert_close, wider for 16 bits."""
    wide = {"rtol": 1e-2, "atol": 1e-3} if dtype in (torch.float16, torch.bfloat16) else {"rtol": 1.3e-5, "atol": 1e-5}
    torch.testing.assert_close(ours, theirs, **wide, equal_nan=True)


def check_program(name: str, device: str, compile_it: Callable[..., Callable[..., object]]) -> None:
    function, operands = PROGRAMS[name]
    torch.manual_seed(0)
    given = operands()
    want = function(*given)
    if name == "scatter add" and device != "cpu":
        function = lambda x, i: torch.zeros(10, device=device).scatter_add(0, i, x)  # noqa: E731
    got = compile_it(function)(*(operand.to(device) for operand in given))
    cpu = tuple(part.cpu() for part in got) if isinstance(got, tuple) else got.cpu()
    same(cpu, want, given[0].dtype)


def check_dropout(device: str, compile_it: Callable[..., Callable[..., object]]) -> None:
    x = torch.ones(10_000, device=device)
    compiled = compile_it(lambda x: functional.dropout(x, 0.3) * 2)
    first, second = compiled(x).cpu(), compiled(x).cpu()
    assert set(first.unique().tolist()) <= {0.0, 2 / 0.7, torch.tensor(2 / 0.7).item()}
    assert 0.27 < (first == 0).float().mean() < 0.33
    assert not torch.equal(first, second)


def check_dynamic_shapes(device: str, compile_it: Callable[..., Callable[..., object]]) -> None:
    function = lambda x: torch.softmax(x * 2, -1).sum(0)  # noqa: E731
    compiled = compile_it(function, dynamic=True)
    for rows, columns in ((3, 40), (17, 300), (64, 1000)):
        x = torch.randn(rows, columns)
        same(compiled(x.to(device)).cpu(), function(x), F32)


def check_training(device: str, compile_it: Callable[..., Callable[..., object]]) -> None:
    """A tiny Qwen3: the forward pass and the losses of three training steps."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=128, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=64, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    reference = Qwen3ForCausalLM(config)
    model = Qwen3ForCausalLM(config)
    model.load_state_dict(reference.state_dict())
    model.to(device)
    tokens = torch.randint(0, 128, (2, 24))

    def losses(module: torch.nn.Module, call: Callable[..., object], where: str) -> list[float]:
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        seen = []
        for _ in range(3):
            loss = call(input_ids=tokens.to(where), labels=tokens.to(where), use_cache=False).loss
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            seen.append(loss.item())
        return seen

    with torch.no_grad():
        ours = compile_it(model)(input_ids=tokens.to(device), use_cache=False).logits.cpu()
        same(ours, reference(input_ids=tokens, use_cache=False).logits, F32)
    got, want = losses(model, compile_it(model), device), losses(reference, reference, "cpu")
    torch.testing.assert_close(torch.tensor(got), torch.tensor(want), rtol=1e-4, atol=0)


def main() -> None:
    import torch._inductor.config
    import torch_fl  # noqa: F401  the device flagos
    from flagos.triton import native

    device, output, *names = sys.argv[1:]

    def compile_it(function: Callable[..., object], **options: object) -> Callable[..., object]:
        torch._dynamo.reset()
        if device == "cpu":
            return torch.compile(function, **options)
        return torch.compile(function, backend="flagos", options={"cpu_backend": "triton"}, **options)

    checks: dict[str, Callable[[], None]] = {
        name: (lambda name=name: check_program(name, device, compile_it)) for name in PROGRAMS
    }
    for name, check in (("dropout", check_dropout), ("dynamic", check_dynamic_shapes), ("qwen3", check_training)):
        checks[name] = lambda check=check: check(device, compile_it)
    if device == "cpu":
        torch._inductor.config.cpu_backend = "triton"
    failures: dict[str, str | None] = {}
    for name in names or checks:
        before = native.launch_count()
        try:
            checks[name]()
            failures[name] = None if native.launch_count() > before else "no kernel of ours was launched"
        except (RuntimeError, AssertionError, TypeError, AttributeError, ImportError) as error:
            failures[name] = f"{type(error).__name__}: {error}"[:600]
    Path(output).write_text(json.dumps(failures, indent=1))


if __name__ == "__main__":
    main()
