#pragma once

#include <vector>

#include "cuda/device_model.h"
#include "model/scoring_model.h"

namespace rank_distillm {

/// A cross-encoder that scores on a GPU, in blocks of tens of thousands of tokens, one after another on one stream. The
/// host waits once, for a batch's scores.
class DeviceCrossEncoder : public ScoringModel {
 public:
  /// Throws `bad_input`, `unsupported`, `out_of_memory`.
  DeviceCrossEncoder(const ModelOptions& options, std::vector<TensorSource> tensors, Workers& workers);

  /// If a block does not fit, it and all later ones are halved.
  Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) override;

  ElementType precision() const override { return precision_; }
  int64_t window_tokens() const override;
  int lane() const override { return model_.device().index(); }

 private:
  DeviceCrossEncoder(const ModelOptions& options, const Device& device, std::vector<TensorSource> tensors,
                     Workers& workers);

  ModelOptions options_;
  ElementType precision_;
  DeviceParameters parameters_;
  DeviceModel model_;
  int64_t block_tokens_;
};

}  // namespace rank_distillm
