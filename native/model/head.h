#pragma once

#include "core/counters.h"
#include "model/config.h"
#include "model/weights.h"
#include "ops/linear.h"

namespace rank_distillm {

/// From one pooled row per sequence to one score per sequence, in float32 whatever the encoder computes in.
class Head {
 public:
  Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights);

  /// pooled [sequences, hidden] float32 → [sequences] float32: raw logits, or log_softmax[1] for strategy mono.
  at::Tensor forward(const at::Tensor& pooled, Counters& counters) const;

 private:
  HeadConfig config_;
  Linear dense_;  // undefined where the head is one linear layer
  Linear output_;
};

}  // namespace rank_distillm
