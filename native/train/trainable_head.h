#pragma once

#include <vector>

#include "model/head.h"
#include "train/arena.h"
#include "train/packed_linear.h"
#include "train/training_batch.h"

namespace rank_distillm {

/// The head of a model that is trained, with its backward. It is a small part of the work, so the calling thread
/// computes it.
class TrainableHead {
 public:
  TrainableHead(const EncoderConfig& encoder, const HeadConfig& config, const Parameters& parameters);

  /// The next forward packs the weights again.
  void weights_changed() { weights_changed_ = true; }

  /// Memory for a pass; the caller fills `input`.
  HeadRows rows(int64_t sequences, Arena& arena) const;

  /// Scores of the pooled rows in `rows.input`, which dropout changes in place. `ids` of the rows, for dropout.
  std::vector<float> forward(const HeadRows& rows, const std::vector<RowId>& ids, const DropoutRates& dropout,
                             Counters& counters);

  /// Adds the gradients of the weights and returns that of the pooled rows, [sequences, hidden] float32 in `arena`,
  /// from that of the scores [sequences].
  Rows backward(const std::vector<float>& gradient, const HeadRows& rows, const std::vector<RowId>& ids,
                const DropoutRates& dropout, Arena& arena, Counters& counters) const;

 private:
  Rows logits_gradient(const std::vector<float>& gradient, const HeadRows& rows, Arena& arena) const;

  HeadForward layers_;
  PackedLinear dense_;  // undefined if the head has one layer
  PackedLinear output_;
  bool weights_changed_ = false;  // since they were packed
};

}  // namespace rank_distillm
