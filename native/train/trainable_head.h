#pragma once

#include <functional>

#include "model/config.h"
#include "train/parameters.h"
#include "train/training_batch.h"

namespace rank_distillm {

/// Kept by the head's forward for its backward, all float32.
struct HeadState {
  at::Tensor input;   // [sequences, hidden], after dropout
  at::Tensor before;  // [sequences, hidden], the dense layer's output before its activation; undefined without one
  at::Tensor row;     // [sequences, hidden], the output layer's input
  at::Tensor logits;  // [sequences, labels]; for log_softmax only
};

/// Applies dropout in place to rows [sequences, hidden].
using DropFirstRows = std::function<void(const at::Tensor& values, const Dropout& dropout)>;

/// The head of model/head.h with its backward.
class TrainableHead {
 public:
  TrainableHead(const EncoderConfig& encoder, const HeadConfig& config, const Parameters& parameters);

  /// pooled [sequences, hidden] float32 → scores [sequences] float32, on the parameters' device.
  at::Tensor forward(const at::Tensor& pooled, const DropFirstRows& drop, const DropoutRates& dropout, HeadState& state,
                     Counters& counters) const;

  /// gradient of the scores [sequences] float32 → that of `pooled`.
  at::Tensor backward(const at::Tensor& gradient, const DropFirstRows& drop, const DropoutRates& dropout,
                      const HeadState& state, Counters& counters) const;

 private:
  HeadConfig config_;
  TrainableLinear dense_;  // undefined if the head has one layer
  TrainableLinear output_;
};

}  // namespace rank_distillm
