"""torch.compile: bare and with backend="flagos", bit-equal to Inductor on cpu."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch_fl import compilation

from .process import fresh, installed

pytestmark = pytest.mark.skipif(
    "host_access" not in torch.flagos.get_device_properties().capabilities,
    reason="Inductor's code works on host memory; this driver's is not (test_no_host_access_is_one_clear_error)",
)


@pytest.fixture(autouse=True)
def fresh_compiler() -> None:
    torch.compiler.reset()


def softmaxed(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return torch.softmax((x @ w).relu().sin(), -1) + 1


BACKENDS = [pytest.param({}, id="bare"), pytest.param({"backend": compilation.backend}, id="flagos")]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("rows", [1, 5])
def test_forward_and_backward_have_inductors_bits(backend: dict[str, object], rows: int) -> None:
    x, w = torch.randn(rows, 16), torch.randn(16, 8)
    results = []
    for device, options in (("cpu", {}), ("flagos", backend)):
        torch.compiler.reset()
        leaves = [t.to(device).detach().requires_grad_() for t in (x, w)]
        y = torch.compile(softmaxed, **options)(*leaves)
        assert y.device.type == device
        y.square().sum().backward()
        results.append([t.cpu() for t in (y.detach(), *(leaf.grad for leaf in leaves))])
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_the_backend_is_found_by_name() -> None:
    from torch._dynamo.backends.registry import list_backends

    if not installed():
        pytest.skip("the tree is not installed, so PyTorch sees no entry point of it")
    assert "flagos" in list_backends()
    assert torch.compile(lambda x: x + 1, backend="flagos")(torch.ones(2, device="flagos")).tolist() == [2, 2]


def test_mutated_inputs_views_and_both_devices() -> None:
    def mixed(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = x.cpu() + 1
        x.add_(1)
        return y, x.view(-1), y.to("flagos") * 2

    x = torch.zeros(2, 3, device="flagos")
    y, view, moved = torch.compile(mixed)(x)
    assert (y.device.type, view.device.type, moved.device.type) == ("cpu", "flagos", "flagos")
    assert (y[0, 0].item(), view[0].item(), moved[0, 0].item(), x[0, 0].item()) == (1, 1, 2, 1)
    assert view._base is x


def test_sizes_that_change() -> None:
    compiled = torch.compile(lambda x: (x * 2).sum(0), dynamic=True)
    for rows in (3, 7, 2):
        x = torch.randn(rows, 4)
        assert torch.allclose(compiled(x.to("flagos")).cpu(), (x * 2).sum(0))


def test_dropout_draws() -> None:
    y = torch.compile(lambda x: torch.nn.functional.dropout(x, 0.5))(torch.ones(10_000, device="flagos"))
    assert set(y.unique().tolist()) == {0, 2}
    assert 0.9 < y.mean().item() < 1.1


def test_autocast_keeps_eagers_dtype() -> None:
    x, w = torch.randn(4, 16, device="flagos"), torch.randn(16, 8, device="flagos")
    with torch.autocast("flagos", dtype=torch.bfloat16):
        eager = x @ w
        compiled = torch.compile(lambda a, b: a @ b)(x, w)
    assert compiled.dtype == eager.dtype == torch.bfloat16
    assert torch.equal(eager, compiled)


def test_a_constant_of_the_program() -> None:
    table = torch.arange(10.0, device="flagos")
    compiled = torch.compile(lambda i: table[i] + torch.tensor(1.0, device="flagos"))
    assert compiled(torch.tensor([2, 5], device="flagos")).tolist() == [3, 6]


def test_cpu_programs_are_left_alone() -> None:
    x = torch.randn(8)
    before = torch.compile(lambda a: a.sin() + 1)(x)
    torch.compile(lambda a: a + 1)(torch.ones(2, device="flagos"))  # the patch is in now
    torch.compiler.reset()
    assert torch.equal(torch.compile(lambda a: a.sin() + 1)(x), before)


def test_options_are_inductors() -> None:
    compiled = torch.compile(lambda x: x + 1, backend=compilation.backend, options={"no_such_option": 1})
    with pytest.raises(Exception, match="no_such_option"):
        compiled(torch.ones(2, device="flagos"))


def test_no_host_access_is_one_clear_error() -> None:
    program = """
    import torch, torch_fl
    x = torch.ones(4, device="flagos")
    try:
        torch.compile(lambda a: a + 1)(x)
    except Exception as error:
        print("flagos:0 (driver sim), whose memory the host cannot use" in str(error))
    torch.compiler.reset()
    print(torch.compile(lambda a: a + 1, backend="aot_eager")(x).sum().item())
    """
    done = fresh(program, FLAGOS_DRIVER="sim")
    assert done.stdout.split() == ["True", "8.0"], done.stderr


def qwen3() -> torch.nn.Module:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=128,
            hidden_size=64,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=64,
        )
    )


def forward(model: torch.nn.Module, ids: torch.Tensor, compile: Callable[..., torch.nn.Module]) -> list[torch.Tensor]:
    with torch.no_grad():
        return [compile(model.eval())(ids).logits.cpu()]


def train(model: torch.nn.Module, ids: torch.Tensor, compile: Callable[..., torch.nn.Module]) -> list[torch.Tensor]:
    compiled, losses = compile(model.train()), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(3):
        loss = compiled(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach().cpu())
    return losses + [parameter.detach().cpu() for parameter in model.parameters()]


@pytest.mark.parametrize("program", [forward, train])
def test_qwen3_has_inductors_bits_in_both_spellings(program: Callable[..., list[torch.Tensor]]) -> None:
    model, ids = qwen3(), torch.randint(0, 128, (2, 16))
    spellings = [("cpu", torch.compile), ("flagos", torch.compile), ("flagos", by_name)]
    results = []
    for device, compile in spellings:
        torch.compiler.reset()
        results.append(program(copy.deepcopy(model).to(device), ids.to(device), compile))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def by_name(model: torch.nn.Module) -> torch.nn.Module:
    return torch.compile(model, backend=compilation.backend)
