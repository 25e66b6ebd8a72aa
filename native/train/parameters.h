#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "model/weights.h"
#include "ops/linear_training.h"

namespace rank_distillm {

/// Where a tensor lies in the flat arrays.
struct ParameterPlace {
  std::string name;
  std::vector<int64_t> shape;
  int64_t offset = 0;
};

/// All that training keeps of a model, float32, each in one flat array: values, gradients and AdamW's two moments. An
/// optimizer step, a norm or an all-reduce is one loop; tensors are views. Gaps between tensors stay zero.
class Parameters {
 public:
  /// Copies the tensors to the device. Without `trained` there are values alone. Throws `bad_input` where a tensor does
  /// not fit its shape.
  explicit Parameters(std::vector<TensorSource> sources, at::Device device = at::kCPU, bool trained = true);

  const std::vector<ParameterPlace>& places() const { return places_; }

  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  const at::Tensor& first_moments() const { return first_moments_; }
  const at::Tensor& second_moments() const { return second_moments_; }

  /// Views, float32. Throws `bad_input` when the tensor is missing or shaped otherwise. Without training gradients are
  /// undefined.
  at::Tensor value(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor gradient(const std::string& name, at::IntArrayRef shape) const;

  /// Dense layers [out, in] `name.weight` and `name.bias` as one whose outputs stand beside each other; the layers must
  /// lie beside each other.
  TrainableLinear linear(const std::vector<std::string>& names, int64_t out, int64_t in, bool has_bias = true) const;

  /// Tensors [shape] that lie beside each other, as one along their first dimension, in a flat array of this layout.
  at::Tensor view(const at::Tensor& flat, const std::vector<std::string>& names, const std::string& suffix,
                  std::vector<int64_t> shape) const;

  int64_t bytes() const;

 private:
  const ParameterPlace& place(const std::string& name) const;

  std::vector<ParameterPlace> places_;
  std::unordered_map<std::string, size_t> index_;
  at::Tensor values_;
  at::Tensor gradients_;
  at::Tensor first_moments_;
  at::Tensor second_moments_;
};

}  // namespace rank_distillm
