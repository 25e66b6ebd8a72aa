#include "api/engine_info.h"

#include <torch/version.h>

#include "api/environment.h"
#include "api/js_values.h"
#include "core/cpu.h"
#include "kernels/kernels.h"
#include "model/cross_encoder.h"

namespace rank_distillm {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
  return array;
}

}  // namespace

Napi::Value engine_info(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto result = Napi::Object::New(env);
  result.Set("libtorch", TORCH_VERSION);
  result.Set("devices", strings(env, {"cpu"}));
  result.Set("cpuFeatures", strings(env, cpu_features()));
  result.Set("kernels", kernels().level);
  result.Set("bf16", cpu_has_bf16());
  result.Set("threads", EngineThread::instance().threads());
  result.Set("weightBytes", static_cast<double>(CrossEncoder::total_weight_bytes()));
  return result;
}

}  // namespace rank_distillm
