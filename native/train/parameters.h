#pragma once

#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"
#include "model/weights.h"

namespace rank_distillm {

/// A tensor's position in the flat arrays.
struct ParameterPlace {
  std::string name;
  Shape shape;
  int64_t offset = 0;
};

/// Which of the flat arrays.
enum class FlatArray : uint8_t { values, gradients, first_moments, second_moments };

/// Where a model's tensors are in its flat arrays. Padding between tensors stays zero.
class ParameterLayout {
 public:
  explicit ParameterLayout(const std::vector<TensorSource>& sources);

  const std::vector<ParameterPlace>& places() const { return places_; }
  /// Numbers of an array.
  int64_t size() const { return size_; }

  /// Contiguous tensors of a shape as one, concatenated along their first dimension. Throws `bad_input` if one is
  /// missing or has another shape.
  ParameterPlace range(const std::vector<std::string>& names, const std::string& suffix, const Shape& shape) const;

 private:
  const ParameterPlace& place(const std::string& name) const;

  std::vector<ParameterPlace> places_;
  std::unordered_map<std::string, size_t> index_;
  int64_t size_ = 0;
};

/// Views of a dense layer's tensors, float32. Gradients are added to; they are undefined if the model is not trained.
template <typename T>
struct LinearOf {
  T weight;           // [out, in]
  T bias;             // [out], or undefined
  T weight_gradient;  // [out, in]
  T bias_gradient;    // [out]
};

/// The numbers of a flat array from `first` on, as a view.
template <typename T>
T part_of(const T& flat, int64_t first, const Shape& shape);

template <>
inline Tensor part_of(const Tensor& flat, int64_t first, const Shape& shape) {
  return flat.part(first, shape);
}

/// A model's training state in float32, four flat arrays: values, gradients and AdamW's two moments. An optimizer step,
/// a norm or an all-reduce is one loop; tensors are views. `T` is the tensor of the CPU's engine or
/// LibTorch's.
template <typename T>
class ParametersOf {
 public:
  /// The arrays in FlatArray's order; all but the values are undefined for a model that is not trained.
  ParametersOf(ParameterLayout layout, std::array<T, 4> arrays)
      : layout_(std::move(layout)), arrays_(std::move(arrays)) {}

  const ParameterLayout& layout() const { return layout_; }

  const T& flat(FlatArray array) const { return arrays_[static_cast<size_t>(array)]; }
  const T& values() const { return flat(FlatArray::values); }
  const T& gradients() const { return flat(FlatArray::gradients); }
  const T& first_moments() const { return flat(FlatArray::first_moments); }
  const T& second_moments() const { return flat(FlatArray::second_moments); }

  /// Views. Gradients are undefined without training.
  T value(const std::string& name, const Shape& shape) const { return view(values(), {name}, "", shape); }
  T gradient(const std::string& name, const Shape& shape) const { return view(gradients(), {name}, "", shape); }

  /// Dense layers [out, in] `name.weight` and `name.bias` as one layer with concatenated outputs; the layers must be
  /// contiguous.
  LinearOf<T> linear(const std::vector<std::string>& names, int64_t out, int64_t in, bool has_bias = true) const {
    LinearOf<T> layer{
        view(values(), names, ".weight", {out, in}), {}, view(gradients(), names, ".weight", {out, in}), {}};
    if (has_bias) {
      layer.bias = view(values(), names, ".bias", {out});
      layer.bias_gradient = view(gradients(), names, ".bias", {out});
    }
    return layer;
  }

  /// Contiguous tensors of a flat array of this layout.
  T view(const T& flat, const std::vector<std::string>& names, const std::string& suffix, const Shape& shape) const {
    if (!flat.defined()) return {};
    const auto range = layout_.range(names, suffix, shape);
    return part_of(flat, range.offset, range.shape);
  }

  int64_t bytes() const {
    return layout_.size() * static_cast<int64_t>(sizeof(float)) * (gradients().defined() ? 4 : 1);
  }

 private:
  ParameterLayout layout_;
  std::array<T, 4> arrays_;
};

/// The values of a layout's tensors. Throws `bad_input` if a tensor does not match its shape.
Tensor flat_values(const ParameterLayout& layout, std::vector<TensorSource> sources, ParallelLoop parallel);

using Parameters = ParametersOf<Tensor>;

/// A model to train on the CPU.
Parameters make_parameters(std::vector<TensorSource> sources, ParallelLoop parallel);

}  // namespace rank_distillm
