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
  int64_t halved_to = 0;        // tokens per block after running out of memory halved it; 0 if it did not
};

/// A cross-encoder that scores, on the CPU (cross_encoder.h) or on a device (cuda/device_cross_encoder.h).
class ScoringModel {
 public:
  ScoringModel() = default;
  virtual ~ScoringModel();
  ScoringModel(const ScoringModel&) = delete;
  ScoringModel& operator=(const ScoringModel&) = delete;

  /// Throws `bad_input` for ids or lengths the model does not have, `aborted` when the flag is set meanwhile,
  /// `out_of_memory` if a device cannot hold even one sequence.
  virtual Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) = 0;

  /// The precision that it computes in, which may differ from the one asked for.
  virtual ElementType precision() const = 0;
  /// Memory of the weights, without mapped files.
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
