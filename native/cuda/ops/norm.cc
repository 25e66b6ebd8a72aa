#include "cuda/ops/norm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/var.h>

#include <algorithm>

#include "cuda/ops/call.h"
#include "cuda/ops/dropout.h"

namespace rank_distillm {
namespace {

/// Blocks of threads that share the rows: enough for every GPU, few enough to keep their sums small.
constexpr int64_t most_parts = 512;
constexpr int64_t rows_per_part = 16;

DeviceNormGradients reference_backward(const at::Tensor& gradient, const at::Tensor& more, const DeviceNorm& norm,
                                       const Dropout& dropout, const DeviceRowIds& ids, const DeviceNormState& state) {
  const auto normalized = state.normalized.to(at::kFloat);
  if (more.defined()) gradient.add_(more.to(at::kFloat));
  norm.weight_gradient.add_(at::sum(gradient.mul(normalized), {0}));
  norm.bias_gradient.add_(at::sum(gradient, {0}));
  const auto weighed = gradient.mul(norm.weight);
  const auto along = weighed.mul(normalized).mean({1}, true);
  gradient.copy_(weighed.sub(weighed.mean({1}, true)).sub_(normalized.mul(along)).mul_(state.scale.unsqueeze(1)));
  if (!dropout.active()) return {gradient, gradient.to(state.normalized.scalar_type())};
  const auto branch = gradient.mul(reference_dropout_factors(dropout, ids, gradient.size(1)));
  return {gradient, branch.to(state.normalized.scalar_type())};
}

}  // namespace

DeviceHidden reference_norm(const at::Tensor& rows, const DeviceNorm& norm, const DeviceTypes& types,
                            DeviceNormState* state) {
  const auto scale = at::var(rows, {1}, /*unbiased=*/false, /*keepdim=*/true).add_(norm.eps).rsqrt_();
  const auto normalized = rows.sub(rows.mean({1}, true)).mul_(scale);
  if (state != nullptr) *state = {normalized.to(types.compute), scale.squeeze(1).contiguous()};
  const auto output = normalized.mul(norm.weight).add_(norm.bias);
  const auto exact = output.to(types.stream);
  return {exact, types.compute == types.stream ? exact : output.to(types.compute)};
}

DeviceHidden residual_norm(const at::Tensor& branch, const at::Tensor& residual, const DeviceNorm& norm,
                           const Dropout& dropout, const DeviceRowIds& ids, DeviceNormState* state) {
  const DeviceTypes types = {branch.scalar_type(), residual.scalar_type()};
  if (!by_kernel(branch)) {
    auto rows = branch.to(at::kFloat);
    if (dropout.active()) rows = rows.mul(reference_dropout_factors(dropout, ids, branch.size(1)));
    return reference_norm(rows.add(residual.to(at::kFloat)), norm, types, state);
  }
  DeviceHidden result = {at::empty_like(residual), {}};
  result.compute = types.compute == types.stream ? result.exact : at::empty_like(branch);
  if (state != nullptr) *state = {at::empty_like(branch), at::empty({branch.size(0)}, norm.weight.options())};
  cuda::norm_forward({branch.size(0), static_cast<int>(branch.size(1)), branch.data_ptr(), kernel_type(branch),
                      residual.data_ptr(), kernel_type(residual), norm.weight.data_ptr<float>(),
                      norm.bias.data_ptr<float>(), static_cast<float>(norm.eps), drop_call(dropout, ids),
                      result.exact.data_ptr(), types.compute == types.stream ? nullptr : result.compute.data_ptr(),
                      state == nullptr ? nullptr : state->normalized.data_ptr(),
                      state == nullptr ? nullptr : state->scale.data_ptr<float>()},
                     stream_of(branch));
  return result;
}

DeviceNormGradients residual_norm_backward(const at::Tensor& gradient, const at::Tensor& more, const DeviceNorm& norm,
                                           const Dropout& dropout, const DeviceRowIds& ids,
                                           const DeviceNormState& state) {
  if (!by_kernel(gradient)) return reference_backward(gradient, more, norm, dropout, ids, state);
  const int64_t rows = gradient.size(0), columns = gradient.size(1);
  const bool same = state.normalized.scalar_type() == at::kFloat && !dropout.active();
  const DeviceNormGradients result = {gradient, same ? gradient : at::empty_like(state.normalized)};
  const auto parts = std::min(most_parts, (rows + rows_per_part - 1) / rows_per_part);
  const auto sums = at::empty({parts, 2, columns}, gradient.options());
  cuda::norm_backward({rows, static_cast<int>(columns), gradient.data_ptr<float>(), data_of(more),
                       state.normalized.data_ptr(), kernel_type(state.normalized), state.scale.data_ptr<float>(),
                       norm.weight.data_ptr<float>(), drop_call(dropout, ids),
                       same ? nullptr : result.branch.data_ptr(), sums.data_ptr<float>(), static_cast<int>(parts)},
                      stream_of(gradient));
  const auto total = at::sum(sums, {0});
  norm.weight_gradient.add_(total.select(0, 0));
  norm.bias_gradient.add_(total.select(0, 1));
  return result;
}

}  // namespace rank_distillm
