#include <napi.h>

#include "api/cancel_token.h"
#include "api/engine_info.h"
#include "api/environment.h"
#include "api/gemm_rate.h"
#include "api/native_model.h"
#include "api/native_trainer.h"

namespace {

using namespace rank_distillm;

Napi::Value create_cancel_token(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).cancel_token_class.New({});
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment(env);
  env.SetInstanceData(environment);
  environment->model_class = Napi::Persistent(NativeModel::define(env));
  environment->trainer_class = Napi::Persistent(NativeTrainer::define(env));
  environment->cancel_token_class = Napi::Persistent(CancelToken::define(env));
  exports.Set("info", Napi::Function::New(env, engine_info));
  exports.Set("createModel", Napi::Function::New(env, NativeModel::create));
  exports.Set("createTrainer", Napi::Function::New(env, NativeTrainer::create));
  exports.Set("createCancelToken", Napi::Function::New(env, create_cancel_token));
  exports.Set("gemmRate", Napi::Function::New(env, gemm_rate));
  return exports;
}

}  // namespace

NODE_API_MODULE(rank_distillm, init)
