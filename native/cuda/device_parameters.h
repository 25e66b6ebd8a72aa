#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>

#include "train/parameters.h"

namespace rank_distillm {

template <>
inline at::Tensor part_of(const at::Tensor& flat, int64_t first, const Shape& shape) {
  return flat.narrow(0, first, count_of(shape)).view(shape);
}

using DeviceParameters = ParametersOf<at::Tensor>;

/// Copies a model to a device; `trained` with gradients and moments.
inline DeviceParameters device_parameters(std::vector<TensorSource> sources, ParallelLoop parallel, at::Device device,
                                          bool trained = true) {
  ParameterLayout layout(sources);
  const auto on_host = flat_values(layout, std::move(sources), std::move(parallel));
  const auto values = at::from_blob(on_host.data(), on_host.shape(), at::kFloat).to(device, false, /*copy=*/true);
  const auto zeros = [&] { return trained ? at::zeros_like(values) : at::Tensor(); };
  return {std::move(layout), {values, zeros(), zeros(), zeros()}};
}

}  // namespace rank_distillm
