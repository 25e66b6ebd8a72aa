#include "api/cancel_token.h"

namespace rank_distillm {

Napi::Function CancelToken::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {InstanceMethod("cancel", &CancelToken::cancel)});
}

CancelToken::CancelToken(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

void CancelToken::cancel(const Napi::CallbackInfo&) { flag_->store(true); }

}  // namespace rank_distillm
