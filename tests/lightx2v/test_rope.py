"""flagos_rope: every layout and form of table against complex multiplication in fp64."""

from __future__ import annotations

import pytest
import torch
from lightx2v_fl.ops.rope import Rope
from torch import Tensor

S, H, D = 11, 3, 24


def turned(x: Tensor, angles: Tensor, layout: str) -> Tensor:
    """x [..., D] times e^(i angle) a pair, angles [..., D/2] broadcasting; fp64."""
    x = x.cpu().double()
    pairs = x.unflatten(-1, (-1, 2)) if layout == "interleaved" else x.unflatten(-1, (2, -1)).transpose(-1, -2)
    product = torch.view_as_real(
        torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angles), angles)
    )
    return product.flatten(-2) if layout == "interleaved" else product.transpose(-1, -2).flatten(-2)


def table(form: str, angles: Tensor, layout: str) -> Tensor | tuple[Tensor, Tensor]:
    """Angles [rows, D/2] in one of the forms that models use, on the device."""
    angles = angles.double()
    cos, sin = angles.cos().float(), angles.sin().float()
    if form == "complex [S,1,D/2]":
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64).unsqueeze(1).to("flagos")
    if form == "complex [S,D/2]":
        return torch.polar(torch.ones_like(angles), angles).to(torch.complex64).to("flagos")
    if form == "real [S,D]":
        return torch.cat((cos, sin), dim=-1).to("flagos")
    if form == "tuple half":
        return cos.to("flagos"), sin.to("flagos")
    wide = (lambda t: t.repeat_interleave(2, -1)) if layout == "interleaved" else (lambda t: torch.cat((t, t), -1))
    return wide(cos).to("flagos"), wide(sin).to("flagos")


FORMS = ["complex [S,1,D/2]", "complex [S,D/2]", "real [S,D]", "tuple half", "tuple full"]


@pytest.mark.parametrize("layout", ["interleaved", "split_half"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_forms(supplier: str, layout: str, form: str, dtype: torch.dtype) -> None:
    q, k = (torch.randn(S, heads, D).to(dtype).to("flagos") for heads in (H, 1))
    angles = torch.randn(S, D // 2).double()
    rope = Rope(layout)
    freqs = rope.prepare_freqs(table(form, angles, layout), rotary_dim=D)
    for x, y in zip((q, k), rope.apply(q, k, freqs), strict=True):
        exact = turned(x, angles.unsqueeze(1), layout)
        assert (y.dtype, y.shape) == (dtype, x.shape)
        limit = {torch.float32: 1e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}[dtype]
        assert (y.cpu().double() - exact).abs().max() < limit * exact.abs().max().clamp(min=1)


@pytest.mark.parametrize("form", FORMS)
def test_prepared_tables_stay_what_they_were(form: str) -> None:
    freqs = table(form, torch.randn(S, D // 2), "interleaved")
    prepared = Rope().prepare_freqs(freqs)
    assert type(prepared) is type(freqs)
    assert Rope().prepare_positions(prepared) is None


@pytest.mark.parametrize("layout", ["interleaved", "split_half"])
def test_positions_partial_width_short_and_long_tables(supplier: str, layout: str) -> None:
    x = torch.randn(S, H, D, device="flagos")
    angles = torch.randn(20, D // 2).double()
    rope = Rope(layout)
    positions = torch.tensor([3, 3, 0, 19, 5, 6, 7, 1, 2, 11, 4])
    y = rope.apply_single(x, table("complex [S,1,D/2]", angles, layout), positions=positions.to("flagos"))
    assert (y.cpu().double() - turned(x, angles[positions].unsqueeze(1), layout)).abs().max() < 1e-5
    # A table of more rows than tokens: the first ones.
    y = rope.apply_single(x, table("real [S,D]", angles, layout))
    assert (y.cpu().double() - turned(x, angles[:S].unsqueeze(1), layout)).abs().max() < 1e-5
    # Of fewer: the other tokens stay.
    y = rope.apply_single(x, table("complex [S,D/2]", angles[:7], layout))
    assert (y[:7].cpu().double() - turned(x[:7], angles[:7].unsqueeze(1), layout)).abs().max() < 1e-5
    assert torch.equal(y[7:], x[7:])
    # Some channels only.
    y = rope.apply_single(x, table("tuple half", angles[:S, :8], layout), rotary_dim=16)
    assert (y[..., :16].cpu().double() - turned(x[..., :16], angles[:S, :8].unsqueeze(1), layout)).abs().max() < 1e-5
    assert torch.equal(y[..., 16:], x[..., 16:])


def test_a_table_a_head_and_batch(supplier: str) -> None:
    """LTX: x [batch, heads, tokens, channels], tables alike or without the heads."""
    x = torch.randn(2, H, S, D, device="flagos")
    angles = torch.randn(2, H, S, D // 2).double()
    rope = Rope("split_half")
    y = rope.apply_single(x, (angles.cos().float().to("flagos"), angles.sin().float().to("flagos")))
    assert (y.cpu().double() - turned(x, angles, "split_half")).abs().max() < 1e-5
    shared = angles[:, :1]
    y = rope.apply_single(x, (shared.cos().float().to("flagos"), shared.sin().float().to("flagos")))
    assert (y.cpu().double() - turned(x, shared, "split_half")).abs().max() < 1e-5


def test_each_channel_of_a_full_table_has_its_own_angle(supplier: str) -> None:
    x, cos, sin = torch.randn(S, H, D), torch.randn(S, D), torch.randn(S, D)
    for layout in ("interleaved", "split_half"):
        y = Rope(layout).apply_single(x.to("flagos"), (cos.to("flagos"), sin.to("flagos"))).cpu()
        if layout == "interleaved":
            other = torch.stack((-x[..., 1::2], x[..., 0::2]), -1).flatten(-2)
        else:
            other = torch.cat((-x[..., D // 2 :], x[..., : D // 2]), -1)
        assert (y - (x * cos.unsqueeze(1) + other * sin.unsqueeze(1))).abs().max() < 1e-5


def test_float64_is_computed_in_float64() -> None:
    x = torch.randn(S, H, D, dtype=torch.float64).to("flagos")
    angles = torch.randn(S, D // 2).double() * 100
    freqs = torch.polar(torch.ones_like(angles), angles).to("flagos")
    y = Rope(compute_dtype=torch.float64).apply_single(x, freqs)
    assert (y.cpu() - turned(x, angles.unsqueeze(1), "interleaved")).abs().max() < 1e-13


def test_a_wan_call_in_chunks_equals_the_whole(supplier: str) -> None:
    """What the framework's chunked_rope does around an inner rope."""
    x = torch.randn(S, H, D).bfloat16().to("flagos")
    freqs = table("complex [S,1,D/2]", torch.randn(S, D // 2), "interleaved")
    whole = Rope().apply_single(x, freqs)
    parts = [Rope().apply_single(x[a : a + 4], freqs[a : a + 4]) for a in range(0, S, 4)]  # type: ignore[index]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Rope("diagonal"), "flagos_rope: layout is 'diagonal'; expected interleaved or split_half"),
        (lambda: Rope().apply_single(torch.zeros(4, 2, 8), torch.zeros(4, 6)), "freqs has width 6; expected 8"),
        (lambda: Rope().apply_single(torch.zeros(4, 2, 8), torch.zeros(4, 8), rotary_dim=7), "rotary_dim is 7"),
        (lambda: Rope().apply_single(torch.zeros(4, 2, 8), (torch.zeros(4, 5), torch.zeros(4, 5))), "widths 5 and 5"),
        (lambda: Rope().prepare_freqs((torch.zeros(4, 5), torch.zeros(4, 4))), "is a tuple of shapes"),
    ],
)
def test_bad_input_is_named(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]
