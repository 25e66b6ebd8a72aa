#pragma once

#include <functional>
#include <vector>

#include "core/cancel.h"
#include "core/scored_batch.h"
#include "core/workers.h"
#include "kernels/kernels.h"

namespace rank_distillm {

/// A cross-encoder that scores, on the CPU (cross_encoder.h) or on a device (cuda/device_cross_encoder.h).
class ScoringModel {
 public:
  ScoringModel() = default;
  virtual ~ScoringModel();
  ScoringModel(const ScoringModel&) = delete;
  ScoringModel& operator=(const ScoringModel&) = delete;

  /// Whether batches are scored by `score_block`, else by `score`.
  virtual bool scores_in_blocks() const { return false; }

  /// Throws `bad_input` for ids or lengths the model does not have. `score` does it by itself.
  virtual void check(const PackedBatch& batch) const;

  /// Scores parts of batches that were checked, together, on the calling thread (core/block_jobs.h). Calls
  /// `between_layers`, which may throw.
  virtual void score_block(const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) const;

  /// Scores a whole batch. Throws `bad_input` as `check` does, `aborted` when the flag is set meanwhile,
  /// `out_of_memory` if a device cannot hold even one sequence.
  virtual Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel);

  /// The precision that it computes in, which may differ from the one asked for.
  virtual ElementType precision() const = 0;
  /// The engine thread that its batches are scored on (core/engine_thread.h).
  virtual int lane() const { return 0; }
  /// Memory of the weights.
  int64_t weight_bytes() const { return weight_bytes_; }
  /// Tokens of a batch that keep it busy for long enough; 0 where the time they take should decide.
  virtual int64_t window_tokens() const { return 0; }

  /// `weight_bytes` of all models of this process.
  static int64_t total_weight_bytes();

 protected:
  void holds(int64_t weight_bytes);

 private:
  int64_t weight_bytes_ = 0;
};

}  // namespace rank_distillm
