#pragma once

#include <napi.h>

#include "core/cancel.h"

namespace rank_distillm {

/// binding.d.ts `CancelToken`.
class CancelToken : public Napi::ObjectWrap<CancelToken> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit CancelToken(const Napi::CallbackInfo& info);
  const CancelFlag& flag() const { return flag_; }

 private:
  void cancel(const Napi::CallbackInfo& info);

  CancelFlag flag_ = make_cancel_flag();
};

}  // namespace rank_distillm
