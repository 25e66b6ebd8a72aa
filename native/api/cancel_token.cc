#include "api/cancel_token.h"

#include "api/environment.h"

namespace rank_distillm {

Napi::Function CancelToken::define(Napi::Env env) {
  return DefineClass(env, "CancelToken", {InstanceMethod("cancel", &CancelToken::cancel)});
}

CancelToken::CancelToken(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

CancelFlag CancelToken::flag_of(const Napi::Value& value) {
  const auto& token_class = Environment::of(value.Env()).cancel_token_class;
  const bool is_token = value.IsObject() && value.As<Napi::Object>().InstanceOf(token_class.Value());
  return is_token ? Unwrap(value.As<Napi::Object>())->flag_ : make_cancel_flag();
}

void CancelToken::cancel(const Napi::CallbackInfo&) { flag_->store(true); }

}  // namespace rank_distillm
