// The random operators over the core's counter-based kernels (flagos/random.h). What they return depends on seed and
// offset only. Under FLAGOS_RNG=cpu each of them runs PyTorch's CPU kernel with the CPU's engine instead; the rarer
// distributions (poisson, binomial, gamma, dirichlet) always do, seeded from (seed, offset).
#include <ATen/ExpandUtils.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/view_as_real.h>

#include <cmath>
#include <tuple>

#include "aten/cpu_target.h"
#include "aten/errors.h"
#include "aten/generator.h"
#include "aten/host_call.h"
#include "aten/own_kernels.h"
#include "aten/structural.h"
#include "flagos/random.h"

namespace flagos {
namespace {

using at::Tensor;
using MaybeGenerator = std::optional<at::Generator>;

// The CPU's kernel under the CPU's engine, ours under Philox.
template <auto Function>
void run_philox(const Call& call) {
  cpu_engine() ? run_on_cpu(call) : run_own<Function>(call);
}

fl_dtype dtype_of(const Tensor& tensor, const char* op) {
  switch (tensor.scalar_type()) {
    case at::kBool:
      return FL_BOOL;
    case at::kByte:
      return FL_UINT8;
    case at::kChar:
      return FL_INT8;
    case at::kUInt16:
      return FL_UINT16;
    case at::kShort:
      return FL_INT16;
    case at::kUInt32:
      return FL_UINT32;
    case at::kInt:
      return FL_INT32;
    case at::kUInt64:
      return FL_UINT64;
    case at::kLong:
      return FL_INT64;
    case at::kHalf:
      return FL_FLOAT16;
    case at::kBFloat16:
      return FL_BFLOAT16;
    case at::kFloat:
      return FL_FLOAT32;
    case at::kDouble:
      return FL_FLOAT64;
    default:
      TORCH_CHECK_NOT_IMPLEMENTED(false, "\"", op, "\" not implemented for '", tensor.scalar_type(), "' on flagos");
  }
}

// Fills `self` by `fill(span, dtype, data)` in the order of its elements.
template <class Fill>
Tensor& generate(Tensor& self, const MaybeGenerator& generator, const char* op, Fill fill) {
  const auto count = self.numel();
  const auto [seed, offset] = take_random(generator, self.device().index(), fl_random_advance(count));
  if (count == 0) return self;
  auto ordered = self.is_contiguous() ? self : empty_on(self.device().index(), self.sizes(), self.scalar_type());
  HostCall host(op);
  auto data = host.enter(ordered, /*written=*/true);
  const fl_random_span span{seed, offset, 0, count};
  check(fill(&span, dtype_of(self, op), data.mutable_data_ptr()));
  host.finish();
  return ordered.is_same(self) ? self : copy(self, ordered, /*non_blocking=*/false);
}

Tensor& uniform_(Tensor& self, double from, double to, MaybeGenerator generator) {
  if (self.is_complex()) {
    auto real = at::view_as_real(self);
    uniform_(real, from, to, std::move(generator));
    return self;
  }
  return generate(self, generator, "uniform_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_uniform(span, dtype, out, from, to); });
}

Tensor& normal_(Tensor& self, double mean, double std, MaybeGenerator generator) {
  if (self.is_complex()) {  // the variance is shared by the two parts
    auto real = at::view_as_real(self);
    normal_(real, 0, std / std::sqrt(2.0), std::move(generator));
    return self.add_(mean);
  }
  return generate(self, generator, "normal_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_normal(span, dtype, out, mean, std); });
}

Tensor standard_normal(const Tensor& like, c10::IntArrayRef size, const MaybeGenerator& generator) {
  auto z = empty_on(like.device().index(), size, like.scalar_type());
  return normal_(z, 0, 1, generator);
}

void check_std(const Tensor& std) {
  TORCH_CHECK(!std.is_complex(), "normal expects standard deviation to be non-complex");
  TORCH_CHECK(std.numel() == 0 || std.min().ge(0).item<bool>(), "normal expects all elements of std >= 0.0");
}

Tensor normal_tensor_float(const Tensor& mean, double std, MaybeGenerator generator) {
  TORCH_CHECK(std >= 0, "normal expects std >= 0.0, but found std ", std);
  return standard_normal(mean, mean.sizes(), generator).mul_(std).add_(mean);
}

Tensor normal_float_tensor(double mean, const Tensor& std, MaybeGenerator generator) {
  check_std(std);
  return standard_normal(std, std.sizes(), generator).mul_(std).add_(mean);
}

Tensor normal_tensor_tensor(const Tensor& mean, const Tensor& std, MaybeGenerator generator) {
  check_std(std);
  const auto shape = at::infer_size(mean.sizes(), std.sizes());
  return standard_normal(mean, shape, generator).mul_(std).add_(mean);
}

Tensor& log_normal_(Tensor& self, double mean, double std, MaybeGenerator generator) {
  return generate(self, generator, "log_normal_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_log_normal(span, dtype, out, mean, std); });
}

Tensor& exponential_(Tensor& self, double lambda, MaybeGenerator generator) {
  return generate(self, generator, "exponential_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_exponential(span, dtype, out, lambda); });
}

Tensor& cauchy_(Tensor& self, double median, double sigma, MaybeGenerator generator) {
  return generate(self, generator, "cauchy_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_cauchy(span, dtype, out, median, sigma); });
}

Tensor& geometric_(Tensor& self, double p, MaybeGenerator generator) {
  return generate(self, generator, "geometric_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_geometric(span, dtype, out, p); });
}

Tensor& bernoulli_float_(Tensor& self, double p, MaybeGenerator generator) {
  return generate(self, generator, "bernoulli_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_bernoulli(span, dtype, out, p); });
}

Tensor& bernoulli_tensor_(Tensor& self, const Tensor& p, MaybeGenerator generator) {
  const auto probabilities = p.to(self.device()).expand(self.sizes()).contiguous();
  TORCH_CHECK(probabilities.is_floating_point(), "expected probabilities tensor to have floating type, got ",
              p.scalar_type());
  HostCall host("bernoulli_");
  const auto read = host.enter(probabilities, /*written=*/false);
  return generate(self, generator, "bernoulli_", [&](auto* span, auto dtype, void* out) {
    return fl_random_bernoulli_tensor(span, dtype, out, dtype_of(read, "bernoulli_"), read.const_data_ptr());
  });
}

Tensor bernoulli(const Tensor& self, MaybeGenerator generator) {
  auto out = empty_on(self.device().index(), self.sizes(), self.scalar_type());
  return bernoulli_tensor_(out, self, std::move(generator));
}

Tensor& bernoulli_out(const Tensor& self, MaybeGenerator generator, Tensor& out) {
  out.resize_(self.sizes());
  return bernoulli_tensor_(out, self, std::move(generator));
}

Tensor& integers(Tensor& self, int64_t low, uint64_t range, const MaybeGenerator& generator) {
  return generate(self, generator, "random_",
                  [&](auto* span, auto dtype, void* out) { return fl_random_integers(span, dtype, out, low, range); });
}

Tensor& random_(Tensor& self, MaybeGenerator generator) {
  return integers(self, 0, fl_random_natural_range(dtype_of(self, "random_")), generator);
}

Tensor& random_from(Tensor& self, int64_t from, std::optional<int64_t> to, MaybeGenerator generator) {
  if (to) {
    TORCH_CHECK(from < *to, "random_ expects 'from' to be less than 'to', but got from=", from, " >= to=", *to);
    return integers(self, from, static_cast<uint64_t>(*to) - static_cast<uint64_t>(from), generator);
  }
  // Up to the largest value of the dtype, that one included; 0 stands for all of 64 bits.
  const auto natural = fl_random_natural_range(dtype_of(self, "random_"));
  const bool all_bits = from == std::numeric_limits<int64_t>::min() && self.scalar_type() == at::kLong;
  return integers(self, from, all_bits ? 0 : natural - static_cast<uint64_t>(from), generator);
}

Tensor& random_to(Tensor& self, int64_t to, MaybeGenerator generator) {
  return random_from(self, 0, to, std::move(generator));
}

Tensor& randperm_out(int64_t n, MaybeGenerator generator, Tensor& out) {
  TORCH_CHECK(n >= 0, "n must be non-negative, got ", n);
  out.resize_({n});
  const auto [seed, offset] = take_random(generator, out.device().index(), fl_random_advance(n));
  if (n == 0) return out;
  auto ordered = out.is_contiguous() ? out : empty_on(out.device().index(), {n}, out.scalar_type());
  HostCall host("randperm");
  auto data = host.enter(ordered, /*written=*/true);
  check(fl_random_permutation(seed, offset, dtype_of(ordered, "randperm"), data.mutable_data_ptr(), n));
  host.finish();
  return ordered.is_same(out) ? out : copy(out, ordered, /*non_blocking=*/false);
}

Tensor multinomial(const Tensor& self, c10::SymInt samples_sym, bool replacement, MaybeGenerator generator) {
  const auto samples = samples_sym.expect_int();
  TORCH_CHECK(self.dim() > 0 && self.dim() <= 2, "prob_dist must be 1 or 2 dim");
  TORCH_CHECK(self.is_floating_point(),
              "multinomial only supports floating-point dtypes for input, got: ", self.scalar_type());
  TORCH_CHECK(samples > 0, "cannot sample n_sample <= 0 samples");
  const auto categories = self.size(-1);
  TORCH_CHECK(replacement || samples <= categories,
              "cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  const auto rows = self.dim() == 2 ? self.size(0) : 1;
  const auto device = self.device().index();
  const auto [seed, offset] =
      take_random(generator, device, fl_random_multinomial_advance(rows, categories, samples, replacement));
  auto out = self.dim() == 2 ? empty_on(device, {rows, samples}, at::kLong) : empty_on(device, {samples}, at::kLong);
  if (rows == 0) return out;
  const auto probabilities = self.contiguous();
  HostCall host("multinomial");
  const auto read = host.enter(probabilities, /*written=*/false);
  auto written = host.enter(out, /*written=*/true);
  check(fl_random_multinomial(seed, offset, dtype_of(read, "multinomial"), read.const_data_ptr(), rows, categories,
                              samples, replacement, written.mutable_data_ptr<int64_t>()));
  host.finish();
  return out;
}

Tensor& multinomial_out(const Tensor& self, c10::SymInt samples, bool replacement, MaybeGenerator generator,
                        Tensor& out) {
  const auto drawn = multinomial(self, std::move(samples), replacement, std::move(generator));
  out.resize_(drawn.sizes());
  return copy(out, drawn, /*non_blocking=*/false);
}

// What F.dropout calls on a device. Under the CPU's engine: the CPU's own recipe, whose noise is drawn in the input's
// dtype.
std::tuple<Tensor, Tensor> native_dropout(const Tensor& input, double p, std::optional<bool> train) {
  if (input.numel() == 0 || !train.value_or(true))
    return {input.clone(), at::ones_like(input, input.options().dtype(at::kBool))};
  TORCH_CHECK(p >= 0 && p <= 1, "dropout probability has to be between 0 and 1, but got ", p);
  if (cpu_engine() || input.is_complex()) {
    auto noise = at::empty_like(input).bernoulli_(1 - p);
    auto mask = noise.to(at::kBool);
    if (p < 1) noise.div_(1 - p);
    return {input.mul(noise), mask};
  }
  const auto device = input.device().index();
  const auto source = input.contiguous();
  auto output = empty_on(device, input.sizes(), input.scalar_type());
  auto mask = empty_on(device, input.sizes(), at::kBool);
  const auto [seed, offset] = take_random(std::nullopt, device, fl_random_advance(input.numel()));
  const fl_random_span span{seed, offset, 0, input.numel()};
  HostCall host("native_dropout");
  const auto from = host.enter(source, /*written=*/false);
  auto to = host.enter(output, /*written=*/true);
  auto kept = host.enter(mask, /*written=*/true);
  check(fl_random_dropout(&span, dtype_of(from, "dropout"), from.const_data_ptr(), to.mutable_data_ptr(),
                          static_cast<uint8_t*>(kept.mutable_data_ptr()), p));
  host.finish();
  return {output, mask};
}

Tensor& rrelu_with_noise_out(const Tensor& self, Tensor& noise, const at::Scalar& lower, const at::Scalar& upper,
                             bool training, MaybeGenerator generator, Tensor& out) {
  TORCH_CHECK(self.sym_sizes() == noise.sym_sizes(),
              "noise tensor shape must match self tensor shape. Got self.shape = ", self.sym_sizes(),
              " noise.shape = ", noise.sym_sizes());
  out.resize_(self.sizes());
  if (!training) {
    const auto slope = (lower.to<double>() + upper.to<double>()) / 2;
    return copy(out, self.clamp_min(0) + self.clamp_max(0) * slope, /*non_blocking=*/false);
  }
  const auto device = self.device().index();
  const auto [seed, offset] = take_random(generator, device, fl_random_advance(self.numel()));
  if (self.numel() == 0) return out;
  const auto source = self.contiguous();
  auto result = empty_on(device, self.sizes(), self.scalar_type());
  auto drawn = empty_on(device, self.sizes(), self.scalar_type());
  const fl_random_span span{seed, offset, 0, self.numel()};
  HostCall host("rrelu_with_noise");
  const auto from = host.enter(source, /*written=*/false);
  auto to = host.enter(result, /*written=*/true);
  auto slopes = host.enter(drawn, /*written=*/true);
  check(fl_random_rrelu(&span, dtype_of(from, "rrelu"), from.const_data_ptr(), to.mutable_data_ptr(),
                        slopes.mutable_data_ptr(), lower.to<double>(), upper.to<double>()));
  host.finish();
  copy(noise, drawn, /*non_blocking=*/false);
  return copy(out, result, /*non_blocking=*/false);
}

Tensor rrelu_with_noise(const Tensor& self, Tensor& noise, const at::Scalar& lower, const at::Scalar& upper,
                        bool training, MaybeGenerator generator) {
  auto out = empty_on(self.device().index(), self.sizes(), self.scalar_type());
  return rrelu_with_noise_out(self, noise, lower, upper, training, std::move(generator), out);
}

Tensor& rrelu_with_noise_(Tensor& self, Tensor& noise, const at::Scalar& lower, const at::Scalar& upper, bool training,
                          MaybeGenerator generator) {
  return rrelu_with_noise_out(self, noise, lower, upper, training, std::move(generator), self);
}

}  // namespace

std::vector<OwnKernelEntry> random_kernels() {
  return {{"uniform_", &run_philox<&uniform_>},
          {"normal_", &run_philox<&normal_>},
          {"normal.Tensor_float", &run_philox<&normal_tensor_float>},
          {"normal.float_Tensor", &run_philox<&normal_float_tensor>},
          {"normal.Tensor_Tensor", &run_philox<&normal_tensor_tensor>},
          {"log_normal_", &run_philox<&log_normal_>},
          {"exponential_", &run_philox<&exponential_>},
          {"cauchy_", &run_philox<&cauchy_>},
          {"geometric_", &run_philox<&geometric_>},
          {"bernoulli_.float", &run_philox<&bernoulli_float_>},
          {"bernoulli_.Tensor", &run_philox<&bernoulli_tensor_>},
          {"bernoulli", &run_philox<&bernoulli>},
          {"bernoulli.out", &run_philox<&bernoulli_out>},
          {"random_", &run_philox<&random_>},
          {"random_.from", &run_philox<&random_from>},
          {"random_.to", &run_philox<&random_to>},
          {"randperm.generator_out", &run_philox<&randperm_out>},
          {"multinomial", &run_philox<&multinomial>},
          {"multinomial.out", &run_philox<&multinomial_out>},
          {"native_dropout", &run_own<&native_dropout>},
          {"rrelu_with_noise", &run_philox<&rrelu_with_noise>},
          {"rrelu_with_noise_", &run_philox<&rrelu_with_noise_>},
          {"rrelu_with_noise.out", &run_philox<&rrelu_with_noise_out>}};
}

}  // namespace flagos
