#pragma once

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
  double seconds = 0;
  double seconds_per_tick = 0;  // of `counters.ticks`
  int64_t halved_to = 0;        // tokens of a block, where memory ran out on the way and blocks were halved
};

/// A cross-encoder that scores, on the CPU (cross_encoder.h) or on a device (cuda/device_cross_encoder.h).
class ScoringModel {
 public:
  ScoringModel() = default;
  virtual ~ScoringModel();
  ScoringModel(const ScoringModel&) = delete;
  ScoringModel& operator=(const ScoringModel&) = delete;

  /// Throws `bad_input` for ids or lengths the model does not have, `aborted` when the flag is set on the way,
  /// `out_of_memory` on a device where not even one sequence fits.
  virtual Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) = 0;

  /// What it really computes in.
  virtual ElementType precision() const = 0;
  /// Of weights, mapped files not counted.
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
