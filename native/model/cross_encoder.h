#pragma once

#include <vector>

#include "core/cancel.h"
#include "core/counters.h"
#include "core/packed_batch.h"
#include "core/workers.h"
#include "model/config.h"
#include "model/encoder.h"
#include "model/head.h"

namespace rank_distillm {

struct Scores {
  std::vector<float> values;  // [sequences], in the batch's order
  Counters counters;
  double seconds = 0;
  double seconds_per_tick = 0;  // of `counters.ticks`
};

/// Encoder, pooling and head. Immutable after construction.
class CrossEncoder {
 public:
  /// Throws `bad_input` naming a missing or wrongly shaped tensor.
  CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors);
  ~CrossEncoder();
  CrossEncoder(const CrossEncoder&) = delete;
  CrossEncoder& operator=(const CrossEncoder&) = delete;

  /// Throws `bad_input` for ids or lengths the model does not have, `aborted` when the flag is set on the way.
  Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) const;

  /// What it really computes in: float32 where the CPU has no instructions for bf16.
  Precision precision() const { return precision_; }
  int64_t weight_bytes() const { return weight_bytes_; }

  /// Bytes of weights of all models of this process, mapped files not counted.
  static int64_t total_weight_bytes();

 private:
  void score_block(const PackedBatch& batch, const Block& block, float* scores, const CancelFlag& cancel,
                   Counters& counters) const;

  CrossEncoder(const ModelOptions& options, Weights weights);

  ModelOptions options_;
  Precision precision_;
  Encoder encoder_;
  Head head_;
  int64_t weight_bytes_;
};

}  // namespace rank_distillm
