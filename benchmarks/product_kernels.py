"""Matrix products, attention and a matrix times a vector as Triton kernels, in the forms that libraries use: grouped
order with rows that wrap round (mm), masks on every side (bmm, addmm), a last step out of the loop (peeled).
"""

import triton
import triton.language as tl


@triton.jit
def grouped_order(M, N, BM: tl.constexpr, BN: tl.constexpr, GROUP: tl.constexpr):
    pid = tl.program_id(0)
    down, across = tl.cdiv(M, BM), tl.cdiv(N, BN)
    group = pid // (GROUP * across)
    first = group * GROUP
    size = min(down - first, GROUP)
    inside = pid % (GROUP * across)
    return first + inside % size, inside // size


@triton.jit
def mm_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pid_m, pid_n = grouped_order(M, N, BM, BN, GROUP)
    rows = (pid_m * BM + tl.arange(0, BM)) % M
    columns = (pid_n * BN + tl.arange(0, BN)) % N
    depth = tl.arange(0, BK)
    left = a + (rows[:, None] * stride_am + depth[None, :] * stride_ak)
    right = b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn)
    total = tl.zeros((BM, BN), dtype=SUM)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(left, mask=depth[None, :] < K - k * BK, other=0)
        y = tl.load(right, mask=depth[:, None] < K - k * BK, other=0)
        total = tl.dot(x, y, total, out_dtype=SUM)
        left += BK * stride_ak
        right += BK * stride_bk
    rows = pid_m * BM + tl.arange(0, BM)
    columns = pid_n * BN + tl.arange(0, BN)
    place = c + stride_cm * rows[:, None] + stride_cn * columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=(rows[:, None] < M) & (columns[None, :] < N))


@triton.jit
def peeled_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr, SUM: tl.constexpr,
):  # fmt: skip
    pid_m, pid_n = grouped_order(M, N, BM, BN, GROUP)
    rows = ((pid_m * BM + tl.arange(0, BM)) % M).to(tl.int64)
    columns = ((pid_n * BN + tl.arange(0, BN)) % N).to(tl.int64)
    whole = tl.cdiv(K, BK) * BK - BK
    total = tl.zeros((BM, BN), dtype=SUM)
    for start in range(0, whole, BK):
        depth = (start + tl.arange(0, BK)).to(tl.int64)
        x = tl.load(a + (rows[:, None] * stride_am + depth[None, :] * stride_ak))
        y = tl.load(b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn))
        total += tl.dot(x, y, out_dtype=SUM)
    depth = (whole + tl.arange(0, BK)).to(tl.int64)
    x = tl.load(a + (rows[:, None] * stride_am + depth[None, :] * stride_ak), mask=(depth < K)[None, :], other=0)
    y = tl.load(b + (depth[:, None] * stride_bk + columns[None, :] * stride_bn), mask=(depth < K)[:, None], other=0)
    total += tl.dot(x, y, out_dtype=SUM)
    rows = (pid_m * BM + tl.arange(0, BM)).to(tl.int64)
    columns = (pid_n * BN + tl.arange(0, BN)).to(tl.int64)
    mask = (rows < M)[:, None] & (columns < N)[None, :]
    tl.store(c + (rows[:, None] * stride_cm + columns[None, :] * stride_cn), total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def product_of_batch(
    a, b, M, N, K, stride_am, stride_ak, stride_bk, stride_bn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """The program's block of sums, its rows and columns, and a mask of those that there are."""
    batch = tl.program_id(2)
    rows = tl.program_id(0) * BM + tl.arange(0, BM)
    columns = tl.program_id(1) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    left = a + batch * M * K + (rows[:, None] * stride_am + depth[None, :] * stride_ak)
    right = b + batch * K * N + (depth[:, None] * stride_bk + columns[None, :] * stride_bn)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, tl.cdiv(K, BK)):
        x = tl.load(left, mask=(rows[:, None] < M) & (depth[None, :] < K - k * BK), other=0.0)
        y = tl.load(right, mask=(depth[:, None] < K - k * BK) & (columns[None, :] < N), other=0.0)
        total += tl.dot(x, y)
        left += BK * stride_ak
        right += BK * stride_bk
    return total, rows, columns, (rows[:, None] < M) & (columns[None, :] < N)


@triton.jit
def addmm_kernel(
    a, b, bias, c, alpha, beta, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_im, stride_in, stride_cm,
    stride_cn, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    total, rows, columns, mask = product_of_batch(a, b, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, BM, BN, BK)
    added = tl.load(bias + stride_im * rows[:, None] + stride_in * columns[None, :], mask=mask, other=0.0)
    total = total * alpha + added * beta
    place = c + tl.program_id(2) * M * N + stride_cm * rows[:, None] + stride_cn * columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def bmm_kernel(
    a, b, c, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, stride_cm, stride_cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    total, rows, columns, mask = product_of_batch(a, b, M, N, K, stride_am, stride_ak, stride_bk, stride_bn, BM, BN, BK)
    place = c + tl.program_id(2) * M * N + stride_cm * rows[:, None] + stride_cn * columns[None, :]
    tl.store(place, total.to(c.dtype.element_ty), mask=mask)


@triton.jit
def attention_kernel(
    q, k, v, out, scale, tokens, stride_head, BM: tl.constexpr, BN: tl.constexpr, D: tl.constexpr, CAUSAL: tl.constexpr
):
    start, head = tl.program_id(0), tl.program_id(1)
    q += head * stride_head
    k += head * stride_head
    v += head * stride_head
    rows = start * BM + tl.arange(0, BM)
    columns = tl.arange(0, BN)
    dims = tl.arange(0, D)
    x = tl.load(q + rows[:, None] * D + dims[None, :])
    highest = tl.full((BM,), -float("inf"), dtype=tl.float32)
    total = tl.zeros((BM,), dtype=tl.float32)
    sums = tl.zeros((BM, D), dtype=tl.float32)
    scale *= 1.44269504
    stop = (start + 1) * BM if CAUSAL else tokens
    for at in range(0, stop, BN):
        y = tl.load(k + (at + columns)[:, None] * D + dims[None, :])
        scores = tl.dot(x, tl.trans(y)) * scale
        if CAUSAL:
            scores = tl.where(rows[:, None] >= (at + columns)[None, :], scores, -1.0e6)
        now = tl.maximum(highest, tl.max(scores, 1))
        weights = tl.math.exp2(scores - now[:, None])
        shrink = tl.math.exp2(highest - now)
        total = total * shrink + tl.sum(weights, 1)
        sums = sums * shrink[:, None]
        z = tl.load(v + (at + columns)[:, None] * D + dims[None, :])
        sums = tl.dot(weights.to(z.dtype), z, sums)
        highest = now
    place = out + head * stride_head + rows[:, None] * D + dims[None, :]
    tl.store(place, (sums / total[:, None]).to(out.dtype.element_ty))


@triton.jit
def gemv_kernel(x, w, out, N, K, stride, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    depth = tl.arange(0, BK)
    mask = (rows[:, None] < N) & (depth[None, :] < K)
    a = tl.load(w + rows[:, None] * stride + depth[None, :], mask=mask, other=0.0).to(tl.float32)
    b = tl.load(x + depth, mask=depth < K, other=0.0).to(tl.float32)
    tl.store(out + rows, tl.sum(a * b[None, :], 1), mask=rows < N)
