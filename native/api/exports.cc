#include "api/exports.h"

#include "api/cancel_token.h"
#include "api/environment.h"
#include "api/native_model.h"
#include "api/native_trainer.h"
#include "core/cpu.h"
#include "kernels/kernels.h"

namespace rank_distillm {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
  return array;
}

Napi::Value create_cancel_token(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).cancel_token_class.New({});
}

}  // namespace

Napi::Object engine_info(Napi::Env env) {
  auto result = Napi::Object::New(env);
  result.Set("devices", strings(env, {"cpu"}));
  result.Set("gpus", Napi::Array::New(env));
  result.Set("cpuFeatures", strings(env, cpu_features()));
  result.Set("kernels", kernels().level);
  result.Set("bf16", cpu_has_bf16());
  result.Set("int8", cpu_has_int8());
  result.Set("threads", EngineThread::instance().threads());
  result.Set("weightBytes", static_cast<double>(ScoringModel::total_weight_bytes()));
  return result;
}

void set_exports(Napi::Env env, const Napi::Object& exports, const Backend& backend) {
  auto* environment = new Environment(env, backend);
  env.SetInstanceData(environment);
  environment->model_class = Napi::Persistent(NativeModel::define(env));
  environment->trainer_class = Napi::Persistent(NativeTrainer::define(env));
  environment->cancel_token_class = Napi::Persistent(CancelToken::define(env));
  exports.Set("createModel", Napi::Function::New(env, NativeModel::create));
  exports.Set("createTrainer", Napi::Function::New(env, NativeTrainer::create));
  exports.Set("createCancelToken", Napi::Function::New(env, create_cancel_token));
}

}  // namespace rank_distillm
