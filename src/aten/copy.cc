// Copies: every pair of dtypes, broadcast, strided, conjugated, negated, overlapping, between host and device and
// between devices.
//
// Where the host can reach all memory, PyTorch's CPU copy runs in place. Elsewhere bytes move between equal layouts by
// the driver, in stream order, and everything else is converted on the host first.
#include <ATen/ExpandUtils.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/copy_ops.h>
#include <ATen/ops/empty_strided_ops.h>
#include <torch/library.h>

#include "aten/errors.h"
#include "aten/host_call.h"
#include "aten/memory.h"
#include "aten/structural.h"
#include "flagos/routing.h"

namespace flagos {
namespace {

using at::Tensor;

bool on_flagos(const Tensor& tensor) { return tensor.device().type() == kFlagos; }
bool host_reaches(const Tensor& tensor) {
  return !on_flagos(tensor) || device_facts(tensor.device().index()).host_access;
}

Tensor& cpu_copy(Tensor& dst, const Tensor& src) {
  return at::_ops::copy_::redispatch(c10::DispatchKeySet(c10::DispatchKey::CPU), dst, src, /*non_blocking=*/false);
}

void copy_in_place(Tensor& dst, const Tensor& src) {
  // Two calls, since the two sides may be different devices.
  HostCall to("copy_"), from("copy_");
  auto over_dst = to.enter(dst, /*written=*/true);
  auto over_src = src.is_same(dst) ? over_dst : from.enter(src, /*written=*/false);
  cpu_copy(over_dst, over_src);
}

fl_copy_side side(const Tensor& tensor, const void* data) {
  if (!on_flagos(tensor)) return {reinterpret_cast<uint64_t>(data), FL_HOST, nullptr};
  const auto device = tensor.device().index();
  return {reinterpret_cast<uint64_t>(data), device, current_stream(device)};
}

// Moves the bytes of two tensors of one dtype and layout.
void copy_bytes(const Tensor& dst, const Tensor& src, bool non_blocking) {
  const auto nbytes = static_cast<uint64_t>(dst.numel()) * dst.dtype().itemsize();
  if (nbytes == 0) return;
  const auto to = side(dst, dst.mutable_data_ptr());
  const auto from = side(src, src.const_data_ptr());
  const bool between_devices = to.device != FL_HOST && from.device != FL_HOST;
  check(fl_copy(&to, &from, nbytes, non_blocking || between_devices ? FL_COPY_ASYNC : 0));
  if (between_devices) {
    // The source may be freed by its owner before the other device's stream has read it.
    if (to.device != from.device) caching_allocator()->recordStream(src.storage().data_ptr(), to_torch(from.stream));
    return;
  }
  fl_ledger_add_copied(nbytes);
  if (!non_blocking) return;
  const void* host = to.device == FL_HOST ? dst.const_data_ptr() : src.const_data_ptr();
  if (fl_pinned_contains(host)) check(fl_pinned_record_stream(host, to.device == FL_HOST ? from.stream : to.stream));
}

// True when the elements fill one range of memory without gaps, so that equal strides mean equal bytes.
bool is_dense(const Tensor& tensor) { return tensor.is_non_overlapping_and_dense(); }

Tensor host_tensor_like(const Tensor& tensor) {
  return at::_ops::empty_strided::redispatch(
      c10::DispatchKeySet(c10::DispatchKey::CPU), c10::fromIntArrayRefSlow(tensor.sizes()),
      c10::fromIntArrayRefSlow(tensor.strides()), tensor.scalar_type(), c10::kStrided, c10::Device(c10::kCPU), false);
}

void copy_through_host(Tensor& dst, const Tensor& src) {
  HostCall from("copy_");
  const auto host_src = from.enter(src, /*written=*/false);
  if (!on_flagos(dst)) {
    cpu_copy(dst, host_src);
    return;
  }
  if (is_dense(dst) && !dst.is_conj() && !dst.is_neg() && !dst.storage().is_alias_of(src.storage())) {
    auto converted = host_tensor_like(dst);
    cpu_copy(converted, host_src);
    copy_bytes(dst, converted, /*non_blocking=*/false);
    return;
  }
  HostCall to("copy_");
  auto over_dst = to.enter(dst, /*written=*/true);
  cpu_copy(over_dst, host_src);
  to.finish();
}

void check_copyable(const Tensor& tensor) {
  TORCH_CHECK_NOT_IMPLEMENTED(tensor.layout() == c10::kStrided && !tensor.is_quantized(),
                              "flagos copies plain strided tensors, not ", tensor.layout(),
                              tensor.is_quantized() ? " quantized ones" : "", "; make it dense first");
  const auto type = tensor.device().type();
  TORCH_CHECK_NOT_IMPLEMENTED(type == kFlagos || type == c10::kCPU, "flagos copies from and to cpu and flagos, not ",
                              tensor.device(), "; go through .cpu()");
}

}  // namespace

Tensor& copy(Tensor& dst, const Tensor& src, bool non_blocking) {
  if (dst.is_same(src)) return dst;
  if (dst.device().is_meta() || src.device().is_meta()) {
    TORCH_CHECK_NOT_IMPLEMENTED(dst.device().is_meta(), "Cannot copy out of meta tensor; no data!");
    return dst;
  }
  check_copyable(dst);
  check_copyable(src);
  const at::AutoDispatchBelowADInplaceOrView below;
  if (C10_LIKELY(host_reaches(dst) && host_reaches(src))) {
    copy_in_place(dst, src);
    return dst;
  }
  const bool same_bits = dst.is_conj() == src.is_conj() && dst.is_neg() == src.is_neg() && !src._is_zerotensor();
  if (same_bits && dst.scalar_type() == src.scalar_type() && dst.sizes() == src.sizes() &&
      dst.strides() == src.strides() && is_dense(dst) && !dst.storage().is_alias_of(src.storage())) {
    copy_bytes(dst, src, non_blocking);
  } else {
    copy_through_host(dst, src);
  }
  return dst;
}

namespace {

Tensor copy_from(const Tensor& src, const Tensor& dst, bool non_blocking) {
  auto to = dst;
  copy(to, src, non_blocking);
  return dst;
}

Tensor copy_from_and_resize(const Tensor& src, const Tensor& dst) {
  dst.resize_(src.sizes());
  return copy_from(src, dst, false);
}

}  // namespace

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("copy_", &copy);
  m.impl("_copy_from", &copy_from);
  m.impl("_copy_from_and_resize", &copy_from_and_resize);
}

// PyTorch's fallback for conjugated and negated tensors materialises them by clone -> copy_ -> _copy_from, and would
// come back here for ever.
TORCH_LIBRARY_IMPL(aten, Conjugate, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }
TORCH_LIBRARY_IMPL(aten, Negative, m) { m.impl("_copy_from", torch::CppFunction::makeFallthrough()); }

}  // namespace flagos
