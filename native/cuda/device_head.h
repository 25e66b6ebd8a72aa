#pragma once

#include <functional>

#include "cuda/ops/linear.h"
#include "model/config.h"
#include "train/training_batch.h"

namespace rank_distillm {

/// Kept by the head's forward for its backward, all float32.
struct DeviceHeadState {
  at::Tensor input;   // [sequences, hidden], after dropout
  at::Tensor before;  // [sequences, hidden], the dense layer's output before its activation; undefined without one
  at::Tensor row;     // [sequences, hidden], the output layer's input
  at::Tensor logits;  // [sequences, labels]; for log_softmax only
};

/// Applies dropout in place to rows [sequences, hidden].
using DropFirstRows = std::function<void(const at::Tensor& values, const Dropout& dropout)>;

/// The head of model/head.h and train/trainable_head.h on tensors of a device.
class DeviceHead {
 public:
  DeviceHead(const EncoderConfig& encoder, const HeadConfig& config, const DeviceParameters& parameters);

  /// pooled [sequences, hidden] float32 → scores [sequences] float32, on the parameters' device.
  at::Tensor forward(const at::Tensor& pooled, const DropFirstRows& drop, const DropoutRates& dropout,
                     DeviceHeadState& state, Counters& counters) const;

  /// gradient of the scores [sequences] float32 → that of `pooled`.
  at::Tensor backward(const at::Tensor& gradient, const DropFirstRows& drop, const DropoutRates& dropout,
                      const DeviceHeadState& state, Counters& counters) const;

 private:
  HeadConfig config_;
  DeviceLinear dense_;  // undefined if the head has one layer
  DeviceLinear output_;
};

}  // namespace rank_distillm
