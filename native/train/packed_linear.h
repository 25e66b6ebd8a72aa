#pragma once

#include <cstdint>

#include "core/counters.h"
#include "kernels/packed_weights.h"
#include "train/parameters.h"

namespace rank_distillm {

/// A dense layer y = x Wᵀ + b that is trained, its weights packed for the products of both directions.
class PackedLinear {
 public:
  PackedLinear() = default;

  PackedLinear(const LinearOf<Tensor>& layer, ElementType type);

  /// Packs the current weights, on the calling thread.
  void pack_forward();
  void pack_backward();

  /// output [rows, out] = epilogue(x Wᵀ + b); `before`, if given, keeps the activation's input.
  void forward(int64_t rows, const Rows& input, Epilogue epilogue, const Rows& output, ElementType output_type,
               Counters& counters, const Rows& before = {}) const;

  /// The gradient of the input [rows, in] from that of the output; a derivative reads `before`, `add` adds.
  void backward(int64_t rows, const Rows& gradient, Epilogue epilogue, const Rows& output, ElementType output_type,
                Counters& counters, const Rows& before = {}) const;

  bool defined() const { return weight_ != nullptr; }
  ElementType type() const { return type_; }
  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  const PackedMatrix& view() const { return forward_.view(); }
  float* weight_gradient() const { return weight_gradient_; }  // [out, in]
  float* bias_gradient() const { return bias_gradient_; }      // [out], or null
  int64_t bytes() const { return forward_.bytes() + static_cast<int64_t>(backward_panels_.size()); }

 private:
  ElementType type_ = ElementType::float32;
  int64_t out_ = 0;
  int64_t in_ = 0;
  const float* weight_ = nullptr;
  const float* bias_ = nullptr;
  float* weight_gradient_ = nullptr;
  float* bias_gradient_ = nullptr;
  PackedWeights forward_;
  AlignedBuffer backward_panels_;
  AlignedBuffer no_bias_;
  PackedMatrix backward_;  // [in, out]
};

}  // namespace rank_distillm
