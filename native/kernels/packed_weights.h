#pragma once

#include <cstdint>

#include "core/aligned_buffer.h"
#include "core/parallel.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// Writes rows `first` … of a weight [out, in], `count` of them, to `to`; several threads call it at a time.
using WeightRows = std::function<void(int64_t first, int64_t count, float* to)>;

/// The steps of a panel over `numbers` inputs, and the bytes of the panels of `outputs`.
int64_t panel_steps(const Kernels& kernels, int64_t numbers, ElementType type);
int64_t panel_bytes(const Kernels& kernels, int64_t outputs, int64_t steps);

/// Weights and bias of a dense layer in the layout of a level's products.
class PackedWeights {
 public:
  PackedWeights() = default;

  /// weight [out, in] and bias [out] (or null), float32. Each output's weights become whole multiples of a scale: for
  /// int16 see int16_norm(); for int8 they are rotated, and the scale is 1/127 of their largest magnitude.
  PackedWeights(const Kernels& kernels, ElementType type, const float* weight, const float* bias, int64_t out,
                int64_t in, const ParallelLoop& parallel);

  /// The same for a weight that is nowhere in memory as a whole.
  PackedWeights(const Kernels& kernels, ElementType type, const WeightRows& weight, const float* bias, int64_t out,
                int64_t in, const ParallelLoop& parallel);

  /// Replaces weights and biases by others of the same shape.
  void fill(const float* weight, const float* bias, const ParallelLoop& parallel);

  bool defined() const { return view_.panels != nullptr; }
  ElementType type() const { return type_; }
  const Kernels& level() const { return *kernels_; }
  const PackedMatrix& view() const { return view_; }
  int64_t bytes() const { return static_cast<int64_t>(panels_.size() + rows_.size()); }

 private:
  PackedWeights(const Kernels& kernels, ElementType type, int64_t out, int64_t in);

  /// `rows(first, count, scratch)` returns a panel's rows, in `scratch` or not.
  template <typename Rows>
  void fill_from(const Rows& rows, const float* bias, const ParallelLoop& parallel);

  const Kernels* kernels_ = nullptr;
  ElementType type_ = ElementType::float32;
  AlignedBuffer panels_;
  AlignedBuffer rows_;  // bias, scales, sums of weights
  PackedMatrix view_;
};

}  // namespace rank_distillm
