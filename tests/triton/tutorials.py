"""The kernels of the six Triton tutorials, written anew, each with a check against PyTorch on any device.

    python -m tests.triton.tutorials flagos:0

checks all of them in every dtype, in a process whose FLAGOS_DRIVER may be another.
"""

from __future__ import annotations

import sys

import torch
import triton
import triton.language as tl

FLOATS = (torch.float32, torch.float16, torch.bfloat16)
TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, mask=i < n) + tl.load(y + i, mask=i < n), mask=i < n)


@triton.jit
def softmax_kernel(out, x, row_stride, out_stride, rows, columns, BLOCK: tl.constexpr):
    for row in tl.range(tl.program_id(0), rows, tl.num_programs(0)):
        c = tl.arange(0, BLOCK)
        v = tl.load(x + row * row_stride + c, mask=c < columns, other=-float("inf")).to(tl.float32)
        e = tl.exp(v - tl.max(v, axis=0))
        tl.store(out + row * out_stride + c, e / tl.sum(e, axis=0), mask=c < columns)


@triton.jit
def leaky_relu(x):
    return tl.where(x >= 0, x, 0.01 * x)


@triton.jit
def matmul_kernel(
    a, b, c, M, N, K, am, ak, bk, bn, cm, cn,
    ACTIVATION: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    pid = tl.program_id(0)
    across, down = tl.cdiv(N, BN), tl.cdiv(M, BM)
    in_group = GROUP * across
    first = pid // in_group * GROUP
    size = min(down - first, GROUP)
    row = first + (pid % in_group) % size
    column = (pid % in_group) // size
    rows = (row * BM + tl.arange(0, BM)) % M
    columns = (column * BN + tl.arange(0, BN)) % N
    depth = tl.arange(0, BK)
    left = a + rows[:, None] * am + depth[None, :] * ak
    right = b + depth[:, None] * bk + columns[None, :] * bn
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(left, mask=depth[None, :] < K - k * BK, other=0.0)
        y = tl.load(right, mask=depth[:, None] < K - k * BK, other=0.0)
        total = tl.dot(x, y, total, input_precision="ieee")
        left += BK * ak
        right += BK * bk
    if ACTIVATION == "leaky_relu":
        total = leaky_relu(total)
    out_rows = row * BM + tl.arange(0, BM)
    out_columns = column * BN + tl.arange(0, BN)
    inside = (out_rows[:, None] < M) & (out_columns[None, :] < N)
    tl.store(c + out_rows[:, None] * cm + out_columns[None, :] * cn, total.to(c.dtype.element_ty), mask=inside)


@triton.jit
def dropout_kernel(x, out, n, p, seed, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n)
    keep = tl.rand(seed, i) > p
    tl.store(out + i, tl.where(keep, v / (1 - p), 0.0), mask=i < n)


@triton.jit
def layer_norm_kernel(x, y, w, b, mean_of, rstd_of, stride, columns, eps, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    x += row * stride
    y += row * stride
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for at in range(0, columns, BLOCK):
        c = at + tl.arange(0, BLOCK)
        total += tl.load(x + c, mask=c < columns, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / columns
    spread = tl.zeros([BLOCK], dtype=tl.float32)
    for at in range(0, columns, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < columns, other=0.0).to(tl.float32)
        v = tl.where(c < columns, v - mean, 0.0)
        spread += v * v
    rstd = 1 / tl.sqrt(tl.sum(spread, axis=0) / columns + eps)
    tl.store(mean_of + row, mean)
    tl.store(rstd_of + row, rstd)
    for at in range(0, columns, BLOCK):
        c = at + tl.arange(0, BLOCK)
        v = tl.load(x + c, mask=c < columns, other=0.0).to(tl.float32)
        scale = tl.load(w + c, mask=c < columns).to(tl.float32)
        shift = tl.load(b + c, mask=c < columns).to(tl.float32)
        tl.store(y + c, (v - mean) * rstd * scale + shift, mask=c < columns)


@triton.jit
def layer_norm_input_grad_kernel(
    dx, dy, dw, db, x, w, mean_of, rstd_of, lock, stride, columns, GROUP: tl.constexpr, BLOCK: tl.constexpr
):
    row = tl.program_id(0)
    c = tl.arange(0, BLOCK)
    on = c < columns
    v = tl.load(x + row * stride + c, mask=on, other=0).to(tl.float32)
    g = tl.load(dy + row * stride + c, mask=on, other=0).to(tl.float32)
    scale = tl.load(w + c, mask=on).to(tl.float32)
    rstd = tl.load(rstd_of + row)
    normal = tl.where(on, (v - tl.load(mean_of + row)) * rstd, 0.0)
    weighted = tl.where(on, scale * g, 0.0)
    first = tl.sum(normal * weighted, axis=0) / columns
    second = tl.sum(weighted, axis=0) / columns
    tl.store(dx + row * stride + c, (weighted - (normal * first + second)) * rstd, mask=on)
    # Partial sums of a group of rows, one row at a time under a lock.
    group = row % GROUP
    while tl.atomic_cas(lock + group, 0, 1) == 1:
        pass
    count = tl.load(lock + GROUP + group)
    part_w, part_b = g * normal, g
    if count == 0:
        tl.atomic_xchg(lock + GROUP + group, 1)
    else:
        part_w += tl.load(dw + group * columns + c, mask=on)
        part_b += tl.load(db + group * columns + c, mask=on)
    tl.store(dw + group * columns + c, part_w, mask=on)
    tl.store(db + group * columns + c, part_b, mask=on)
    tl.debug_barrier()
    tl.atomic_xchg(lock + group, 0)


@triton.jit
def layer_norm_parameter_grad_kernel(dw, db, out_w, out_b, rows, columns, BM: tl.constexpr, BN: tl.constexpr):
    c = tl.program_id(0) * BN + tl.arange(0, BN)
    total_w = tl.zeros((BM, BN), dtype=tl.float32)
    total_b = tl.zeros((BM, BN), dtype=tl.float32)
    for at in range(0, rows, BM):
        r = at + tl.arange(0, BM)
        on = (r[:, None] < rows) & (c[None, :] < columns)
        total_w += tl.load(dw + r[:, None] * columns + c[None, :], mask=on, other=0.0)
        total_b += tl.load(db + r[:, None] * columns + c[None, :], mask=on, other=0.0)
    tl.store(out_w + c, tl.sum(total_w, axis=0), mask=c < columns)
    tl.store(out_b + c, tl.sum(total_b, axis=0), mask=c < columns)


@triton.jit
def attention_kernel(
    q, k, v, out, scale, stride_head, stride_row, tokens,
    HEAD: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, CAUSAL: tl.constexpr,
):  # fmt: skip
    start = tl.program_id(0) * BM
    base = tl.program_id(1) * stride_head
    rows = start + tl.arange(0, BM)
    d = tl.arange(0, HEAD)
    query = tl.load(q + base + rows[:, None] * stride_row + d[None, :])
    top = tl.full([BM], -float("inf"), dtype=tl.float32)
    total = tl.zeros([BM], dtype=tl.float32)
    weighted = tl.zeros([BM, HEAD], dtype=tl.float32)
    last = start + BM if CAUSAL else tokens
    for at in range(0, last, BN):
        columns = at + tl.arange(0, BN)
        key = tl.load(k + base + columns[None, :] * stride_row + d[:, None])
        scores = tl.dot(query, key, input_precision="ieee") * (scale * 1.44269504)
        if CAUSAL:
            scores = tl.where(rows[:, None] >= columns[None, :], scores, -1.0e6)
        higher = tl.maximum(top, tl.max(scores, 1))
        p = tl.math.exp2(scores - higher[:, None])
        shrink = tl.math.exp2(top - higher)
        value = tl.load(v + base + columns[:, None] * stride_row + d[None, :])
        weighted = weighted * shrink[:, None]
        weighted = tl.dot(p.to(value.dtype), value, weighted, input_precision="ieee")
        total = total * shrink + tl.sum(p, 1)
        top = higher
    place = out + base + rows[:, None] * stride_row + d[None, :]
    tl.store(place, (weighted / total[:, None]).to(out.dtype.element_ty))


def close(ours: torch.Tensor, theirs: torch.Tensor, dtype: torch.dtype, factor: float = 1) -> None:
    tolerance = factor * TOLERANCE[dtype]
    torch.testing.assert_close(ours.cpu().float(), theirs.float(), rtol=tolerance, atol=tolerance)


def check_add(device: str, dtype: torch.dtype) -> None:
    x, y = (torch.randn(98_432).to(dtype) for _ in range(2))
    out = torch.empty(98_432, dtype=dtype, device=device)
    add_kernel[lambda meta: (triton.cdiv(98_432, meta["BLOCK"]),)](x.to(device), y.to(device), out, 98_432, BLOCK=1024)
    assert torch.equal(out.cpu(), x + y)


def check_softmax(device: str, dtype: torch.dtype) -> None:
    x = torch.randn(182, 781).to(dtype)
    on, out = x.to(device), torch.empty(182, 781, dtype=dtype, device=device)
    softmax_kernel[(8,)](out, on, on.stride(0), out.stride(0), 182, 781, BLOCK=1024)
    close(out, torch.softmax(x.float(), 1), dtype)


def check_matmul(device: str, dtype: torch.dtype) -> None:
    for M, N, K, activation in ((128, 128, 128, ""), (97, 130, 70, "leaky_relu")):
        a, b = (torch.randn(M, K) / 4).to(dtype), torch.randn(N, K).to(dtype).T
        out = torch.empty(M, N, dtype=dtype, device=device)
        x, y = a.to(device), b.to(device)
        strides = (*x.stride(), *y.stride(), *out.stride())
        grid = (triton.cdiv(M, 32) * triton.cdiv(N, 64),)
        matmul_kernel[grid](x, y, out, M, N, K, *strides, ACTIVATION=activation, BM=32, BN=64, BK=32, GROUP=8)
        want = a.float() @ b.float()
        close(out, torch.nn.functional.leaky_relu(want) if activation else want, dtype, 4)


def check_dropout(device: str, dtype: torch.dtype) -> None:
    x = torch.randn(10_000).to(dtype)
    results = []
    for seed in (123, 123, 512):
        out = torch.empty(10_000, dtype=dtype, device=device)
        dropout_kernel[(triton.cdiv(10_000, 1024),)](x.to(device), out, 10_000, 0.25, seed, BLOCK=1024)
        results.append(out.cpu())
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    kept = results[0] != 0
    assert 0.23 < 1 - kept.float().mean().item() < 0.27
    close(results[0][kept], (x.float() / 0.75)[kept], dtype)


def check_layer_norm(device: str, dtype: torch.dtype) -> None:
    rows, columns = 151, 600
    x = torch.randn(rows, columns).to(dtype)
    w, b, g = (torch.rand(columns).to(dtype), torch.rand(columns).to(dtype), torch.randn(rows, columns).to(dtype) / 10)
    on, scale, shift, grad = (t.to(device) for t in (x, w, b, g))
    y, dx = torch.empty_like(on), torch.empty_like(on)
    mean, rstd = (torch.empty(rows, device=device) for _ in range(2))
    layer_norm_kernel[(rows,)](on, y, scale, shift, mean, rstd, columns, columns, 1e-5, BLOCK=256)
    group = 32
    parts = [torch.zeros(group, columns, device=device) for _ in range(2)]
    lock = torch.zeros(2 * group, dtype=torch.int32, device=device)
    layer_norm_input_grad_kernel[(rows,)](
        dx, grad, *parts, on, scale, mean, rstd, lock, columns, columns, GROUP=group, BLOCK=1024
    )
    dw, db = (torch.empty(columns, dtype=dtype, device=device) for _ in range(2))
    layer_norm_parameter_grad_kernel[(triton.cdiv(columns, 128),)](*parts, dw, db, group, columns, BM=32, BN=128)
    exact = [t.float().requires_grad_() for t in (x, w, b)]
    want = torch.nn.functional.layer_norm(exact[0], (columns,), exact[1], exact[2])
    want.backward(g.float())
    close(y, want.detach(), dtype)
    for ours, theirs in zip((dx, dw, db), exact, strict=True):
        close(ours, theirs.grad, dtype, 2)


def check_attention(device: str, dtype: torch.dtype) -> None:
    q, k, v = (torch.randn(2, 3, 128, 64).to(dtype) for _ in range(3))
    on = [t.to(device) for t in (q, k, v)]
    for causal in (False, True):
        out = torch.empty_like(on[0])
        attention_kernel[(4, 6)](*on, out, 0.125, 128 * 64, 64, 128, HEAD=64, BM=32, BN=32, CAUSAL=causal)
        want = torch.nn.functional.scaled_dot_product_attention(*(t.float() for t in (q, k, v)), is_causal=causal)
        close(out, want, dtype)


CHECKS = {
    "add": (check_add, (*FLOATS, torch.float64, torch.int32, torch.int64)),
    "softmax": (check_softmax, FLOATS),
    "matmul": (check_matmul, FLOATS),
    "dropout": (check_dropout, FLOATS),
    "layer norm": (check_layer_norm, FLOATS),
    "attention": (check_attention, FLOATS),
}


def main() -> None:
    import torch_fl  # noqa: F401  the device flagos

    torch.manual_seed(0)
    for name, (check, dtypes) in CHECKS.items():
        for dtype in dtypes:
            check(sys.argv[1], dtype)
        print(name)


if __name__ == "__main__":
    main()
