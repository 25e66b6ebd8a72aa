#pragma once

#include <vector>

#include "core/counters.h"
#include "model/config.h"
#include "model/linear.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace rank_distillm {

/// From one pooled row per sequence to one score per sequence, in float32 whatever the encoder computes in.
class Head {
 public:
  Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights);

  /// pooled [sequences, hidden] float32 → scores [sequences]: logits or log-probabilities of the label.
  void forward(int64_t sequences, const Rows& pooled, float* scores, Workspace& workspace, Counters& counters) const;

 private:
  HeadConfig config_;
  int64_t hidden_;
  Linear dense_;  // undefined if the head has one layer
  Linear output_;
};

}  // namespace rank_distillm
