#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/cancel.h"
#include "core/counters.h"
#include "core/packed_batch.h"
#include "core/workers.h"
#include "kernels/kernels.h"

namespace rank_distillm {

struct Scores {
  std::vector<float> values;  // [sequences], in the batch's order
  Counters counters;
  double seconds = 0;           // of the engine's threads, divided by their number
  double seconds_per_tick = 0;  // of `counters.ticks`
  int64_t halved_to = 0;        // tokens per block after running out of memory halved it; 0 if it did not
};

/// A batch whose blocks threads score one by one, beside those of other batches (core/block_jobs.h).
class BatchInBlocks {
 public:
  BatchInBlocks() = default;
  virtual ~BatchInBlocks();
  BatchInBlocks(const BatchInBlocks&) = delete;
  BatchInBlocks& operator=(const BatchInBlocks&) = delete;

  /// Of each block; there is at least one.
  virtual std::vector<int64_t> tokens() const = 0;
  /// See BlockJob. Throws `aborted` when the flag is set meanwhile.
  virtual void score(int64_t block, const CancelFlag& cancel, const std::function<void()>& between_layers) = 0;
  /// After the last block.
  virtual Scores result() = 0;
};

/// A cross-encoder that scores, on the CPU (cross_encoder.h) or on a device (cuda/device_cross_encoder.h).
class ScoringModel {
 public:
  ScoringModel() = default;
  virtual ~ScoringModel();
  ScoringModel(const ScoringModel&) = delete;
  ScoringModel& operator=(const ScoringModel&) = delete;

  /// Whether batches are scored by `in_blocks`, else by `score`.
  virtual bool scores_in_blocks() const { return false; }

  /// The batch in blocks for `threads` threads. The model must outlive it. Throws `bad_input` for ids or lengths the
  /// model does not have.
  virtual std::shared_ptr<BatchInBlocks> in_blocks(const std::shared_ptr<const PackedBatch>& batch, int threads) const;

  /// Scores a whole batch, for models that do. Throws `bad_input` as `in_blocks` does, `aborted` when the flag is set
  /// meanwhile, `out_of_memory` if a device cannot hold even one sequence.
  virtual Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel);

  /// The precision that it computes in, which may differ from the one asked for.
  virtual ElementType precision() const = 0;
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
