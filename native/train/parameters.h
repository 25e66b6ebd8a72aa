#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "model/weights.h"
#include "ops/linear_training.h"

namespace rank_distillm {

/// A tensor's position in the flat arrays.
struct ParameterPlace {
  std::string name;
  std::vector<int64_t> shape;
  int64_t offset = 0;
};

/// A model's training state in float32, four flat arrays: values, gradients and AdamW's two moments. An optimizer step,
/// a norm or an all-reduce is one loop; tensors are views. Padding between tensors stays zero.
class Parameters {
 public:
  /// Copies the tensors to the device. Without `trained` there are only values. Throws `bad_input` if a tensor does not
  /// match its shape.
  explicit Parameters(std::vector<TensorSource> sources, at::Device device = at::kCPU, bool trained = true);

  const std::vector<ParameterPlace>& places() const { return places_; }

  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  const at::Tensor& first_moments() const { return first_moments_; }
  const at::Tensor& second_moments() const { return second_moments_; }

  /// Views, float32. Throws `bad_input` if the tensor is missing or has another shape. Gradients are undefined without
  /// training.
  at::Tensor value(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor gradient(const std::string& name, at::IntArrayRef shape) const;

  /// Dense layers [out, in] `name.weight` and `name.bias` as one layer with concatenated outputs; the layers must be
  /// contiguous.
  TrainableLinear linear(const std::vector<std::string>& names, int64_t out, int64_t in, bool has_bias = true) const;

  /// Contiguous tensors [shape] of a flat array of this layout, concatenated along their first dimension.
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
