#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/scoring_model.h"

namespace rank_distillm {

/// Encoder, pooling and head on the CPU. Immutable after construction.
class CrossEncoder : public ScoringModel {
 public:
  /// Throws `bad_input` naming a missing or wrongly shaped tensor.
  CrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers);

  bool scores_in_blocks() const override { return true; }
  std::shared_ptr<BatchInBlocks> in_blocks(const std::shared_ptr<const PackedBatch>& batch, int threads) const override;

  /// float32 where the CPU has no instructions for bf16.
  ElementType precision() const override { return precision_; }

 private:
  class InBlocks;

  void score_block(const PackedBatch& batch, const Block& block, float* scores,
                   const std::function<void()>& between_layers, Counters& counters) const;

  CrossEncoder(const ModelOptions& options, Weights weights);

  ModelOptions options_;
  ElementType precision_;
  Encoder encoder_;
  Head head_;
};

}  // namespace rank_distillm
