#pragma once

#include <napi.h>

#include <memory>

#include "model/scoring_model.h"

namespace rank_distillm {

/// binding.d.ts `NativeModel`. Jobs share ownership of the model, so it outlives them.
class NativeModel : public Napi::ObjectWrap<NativeModel> {
 public:
  static Napi::Function define(Napi::Env env);
  /// `createModel(options, tensors)`.
  static Napi::Value create(const Napi::CallbackInfo& info);
  explicit NativeModel(const Napi::CallbackInfo& info);

 private:
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value score_in_blocks(Napi::Env env, PackedBatch packed, const CancelFlag& cancel) const;
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value precision(const Napi::CallbackInfo& info);
  Napi::Value weight_bytes(const Napi::CallbackInfo& info);
  Napi::Value window_tokens(const Napi::CallbackInfo& info);

  std::shared_ptr<ScoringModel> model_;
  ElementType precision_ = ElementType::float32;
  int64_t weight_bytes_ = 0;
  int64_t window_tokens_ = 0;
};

}  // namespace rank_distillm
