#pragma once

#include <ATen/core/Tensor.h>

#include "core/counters.h"
#include "ops/activation.h"

namespace rank_distillm {

/// A dense layer y = x Wᵀ + b. In float32 the weight is as checkpoints store it and may lie in a mapped file; for bf16
/// it is packed once into the panels that the matrix kernel reads. The bias is float32 in both.
struct Linear {
  at::Tensor weight;  // [out, in] float32, or panels [⌈out / 64⌉, in / 2, 64, 2] bf16
  at::Tensor bias;    // [out] float32, or undefined
  int64_t in = 0;
  int64_t out = 0;

  bool is_packed() const { return weight.dim() == 4; }
};

Linear float32_linear(at::Tensor weight, at::Tensor bias);

/// Packs a float32 weight [out, in]; `in` must be even.
Linear packed_linear(const at::Tensor& weight, at::Tensor bias);

// Each takes input [rows, in], float32 or, for packed layers, bf16; sums are float32. Each counts its multiplications.

/// → [rows, out] float32.
at::Tensor linear(const at::Tensor& input, const Linear& layer, Counters& counters);

/// → [rows, out] in the input's dtype.
at::Tensor linear_rounded(const at::Tensor& input, const Linear& layer, Counters& counters);

/// activation(linear) → [rows, out] in the input's dtype; the activation sees the float32 sums.
at::Tensor linear_activated(const at::Tensor& input, const Linear& layer, Activation activation, Counters& counters);

}  // namespace rank_distillm
