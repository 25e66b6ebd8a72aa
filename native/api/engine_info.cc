#include "api/engine_info.h"

#include <torch/version.h>

#include "api/environment.h"
#include "api/js_values.h"
#include "core/cpu.h"
#include "cuda/device.h"
#include "cuda/runtime.h"
#include "kernels/kernels.h"
#include "model/scoring_model.h"

namespace rank_distillm {
namespace {

Napi::Array strings(Napi::Env env, const std::vector<std::string>& values) {
  auto array = Napi::Array::New(env, values.size());
  for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, values[i]);
  return array;
}

int device_count() { return cuda_is_emulated() ? 1 : cuda::gpu_count(); }

Napi::Array devices(Napi::Env env) {
  std::vector<std::string> names = {"cpu"};
  for (int i = 0; i < device_count(); ++i) names.push_back("cuda:" + std::to_string(i));
  return strings(env, names);
}

Napi::Array gpus(Napi::Env env) {
  auto result = Napi::Array::New(env);
  for (int i = 0; !cuda_is_emulated() && i < cuda::gpu_count(); ++i) {
    const auto gpu = cuda::gpu(i);
    auto entry = Napi::Object::New(env);
    entry.Set("name", gpu.name);
    entry.Set("totalBytes", static_cast<double>(gpu.total_bytes));
    entry.Set("reservedBytes", static_cast<double>(gpu.reserved_bytes));
    entry.Set("peakBytes", static_cast<double>(gpu.peak_bytes));
    result.Set(static_cast<uint32_t>(i), entry);
  }
  return result;
}

}  // namespace

Napi::Value engine_info(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto result = Napi::Object::New(env);
  result.Set("libtorch", TORCH_VERSION);
  result.Set("devices", devices(env));
  result.Set("gpus", gpus(env));
  result.Set("cpuFeatures", strings(env, cpu_features()));
  result.Set("kernels", kernels().level);
  result.Set("bf16", cpu_has_bf16());
  result.Set("threads", EngineThread::instance().threads());
  result.Set("weightBytes", static_cast<double>(ScoringModel::total_weight_bytes()));
  return result;
}

}  // namespace rank_distillm
