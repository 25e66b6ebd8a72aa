#pragma once

#include <napi.h>

#include "core/cancel.h"

namespace rank_distillm {

/// binding.d.ts `CancelToken`.
class CancelToken : public Napi::ObjectWrap<CancelToken> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelToken(const Napi::CallbackInfo& info);

  /// The flag of a token, or a fresh one for any other value.
  static CancelFlag flag_of(const Napi::Value& value);

 private:
  void cancel(const Napi::CallbackInfo& info);

  CancelFlag flag_ = make_cancel_flag();
};

}  // namespace rank_distillm
