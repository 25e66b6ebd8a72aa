#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace rank_distillm {

/// Where in the model values are dropped.
enum class DropoutSite : uint32_t {
  embeddings,
  attention_weights,
  attention_output,
  layer_output,
  head_input,
  head_hidden,
  count
};

/// Identifies a row: the pair's number in the whole batch and the token's position in its sequence.
struct RowId {
  uint32_t pair;
  uint32_t token;
};

/// Dropout of one optimizer step. A mask depends only on (seed, step, layer, site, pair, token): a pair that is
/// recomputed, in another micro-batch or after a resume, gets the same mask.
struct Dropout {
  double rate = 0;
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t layer = 0;
  DropoutSite site = DropoutSite::embeddings;

  bool active() const { return rate > 0; }
  /// The mask of a row; in attention that of its first head.
  DropoutMask mask(RowId row) const;
};

/// Writes n factors, 0 with probability `rate`, else 1 / (1 - rate).
void dropout_factors(const Dropout& dropout, RowId row, float* factors, int64_t n);

/// values [rows, n] float32 *= factors, row i being ids[i]. It is its own backward.
void drop_rows(const Rows& values, int64_t rows, int64_t n, const Dropout& dropout, const RowId* ids);

}  // namespace rank_distillm
