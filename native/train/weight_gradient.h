#pragma once

#include <cstdint>

#include "train/arena.h"
#include "train/packed_linear.h"

namespace rank_distillm {

/// The gradient of one layer's weights over all rows of a part: Gᵀ X. Blocks place their rows, transposed and packed,
/// as soon as they have them; then each task multiplies for a range of outputs. So each sum has one owner and one order
/// over the rows.
class WeightGradient {
 public:
  WeightGradient(const PackedLinear& layer, int64_t rows, Arena& arena);

  /// Rows [first, first + rows) of the gradient of the output [rows, out], in the layer's type, and of the input
  /// [rows, in], in the same type, to which `activation` is applied. `first` is a multiple of the rows that a product
  /// takes at a time; the rows up to `end_row` are zeroed.
  void place(const Rows& gradient, const Rows& input, Epilogue activation, int64_t rows, int64_t first,
             int64_t end_row) const;

  int64_t tasks() const;

  /// Adds the gradients of weights and biases of some outputs.
  void add(int64_t task, Counters& counters) const;

 private:
  const PackedLinear* layer_;
  int64_t numbers_;  // rows, rounded up to whole steps
  int64_t steps_;
  Rows transposed_;  // [out, rows]
  char* panels_;     // of the inputs
};

}  // namespace rank_distillm
