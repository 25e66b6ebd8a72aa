#pragma once

#include "core/counters.h"
#include "kernels/packed_weights.h"

namespace rank_distillm {

/// A dense layer y = epilogue(x Wᵀ + b) of a model that is not trained; its weights are packed once for the kernels.
using Linear = PackedWeights;

/// Rows and, of integers, their scales, as a linear layer reads them.
struct LinearInput {
  Rows rows;
  const RowScale* scales = nullptr;
};

/// The product of a type; counts its multiplications and its time (`call.epilogue_ticks` is not read).
void multiply(GemmCall call, ElementType type, Counters& counters, const Kernels& level = kernels());

/// `output_type`: float32 or bfloat16.
void linear(const Linear& layer, int64_t rows, const LinearInput& input, Epilogue epilogue, const Rows& output,
            ElementType output_type, Counters& counters);

}  // namespace rank_distillm
