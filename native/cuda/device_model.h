#pragma once

#include <c10/core/DeviceGuard.h>
#include <c10/core/InferenceMode.h>

#include <string>

#include "core/counters.h"
#include "cuda/device.h"
#include "cuda/device_encoder.h"
#include "cuda/device_head.h"
#include "model/config.h"
#include "model/weights.h"

namespace rank_distillm {

/// Shared by models on a device: the device, types, encoder, pooling and head over the same parameters.
class DeviceModel {
 public:
  DeviceModel(const ModelOptions& options, const Device& device, int64_t padding_id,
              const DeviceParameters& parameters);

  struct State {
    DeviceEncoderState encoder;
    DeviceHeadState head;
    at::Tensor pooled;  // unless it is the encoder's result
  };

  /// Scores [sequences] float32 on the device. Fills `state`, if given, for the backward.
  at::Tensor forward(const DevicePass& pass, State* state) const;

  /// Adds the gradients of all parameters from that of the scores, [sequences] float32.
  void backward(const DevicePass& pass, State& state, const at::Tensor& gradient, const LayerDone& layer_done) const;

  DeviceEncoder& encoder() { return encoder_; }
  const DeviceEncoder& encoder() const { return encoder_; }
  const Device& device() const { return device_; }

 private:
  Device device_;
  Pooling pooling_;
  DeviceEncoder encoder_;
  DeviceHead head_;
};

/// Sets the calling thread's device, inference mode and the model's settings for products for its lifetime.
class DeviceScope {
 public:
  DeviceScope(const Device& device, bool tf32);
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  c10::InferenceMode inference_mode_;
  c10::DeviceGuard guard_;
};

/// Throws `unsupported` for a precision that no device computes in.
ElementType device_precision(const ModelOptions& options);
DeviceTypes device_types(const ModelOptions& options);

/// Throws `out_of_memory`, with the needed and the free bytes, if a model of these tensors does not fit.
/// `bytes_per_number` of its parameters: values, copies and, in training, gradients and moments.
void reserve_room(Device& device, const std::vector<TensorSource>& tensors, int64_t bytes_per_number);

/// `1.50 GB`, `20.00 MB`.
std::string in_words(int64_t bytes);

}  // namespace rank_distillm
