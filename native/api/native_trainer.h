#pragma once

#include <napi.h>

#include <memory>

#include "train/training_model.h"

namespace rank_distillm {

/// binding.d.ts `NativeTrainer`. Jobs share ownership of the trainer, so it outlives them; they run in the order they
/// were called.
class NativeTrainer : public Napi::ObjectWrap<NativeTrainer> {
 public:
  static Napi::Function define(Napi::Env env);
  /// `createTrainer(options, tensors)`.
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit NativeTrainer(const Napi::CallbackInfo& info);

 private:
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);
  Napi::Value discard(const Napi::CallbackInfo& info);
  Napi::Value sum_gradients(const Napi::CallbackInfo& info);
  Napi::Value gradient_norm(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value zero_gradients(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value precision(const Napi::CallbackInfo& info);
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value weight_bytes(const Napi::CallbackInfo& info);
  Napi::Value bytes_per_token(const Napi::CallbackInfo& info);
  Napi::Value tokens_per_part(const Napi::CallbackInfo& info);
  Napi::Value activation_bytes(const Napi::CallbackInfo& info);

  /// Throws `closed` after close().
  std::shared_ptr<TrainingModel> trainer(Napi::Env env) const;

  std::shared_ptr<TrainingModel> trainer_;
  ElementType precision_ = ElementType::float32;
};

}  // namespace rank_distillm
