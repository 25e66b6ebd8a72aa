#include "api/engine_info.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>

#include "api/environment.h"
#include "api/js_values.h"
#include "core/cpu.h"
#include "model/cross_encoder.h"

namespace rank_distillm {
namespace {

double best_gflops(int64_t m, int64_t n, int64_t k, Precision precision, int repeats) {
  const auto options = at::TensorOptions().dtype(scalar_type(precision));
  const auto input = at::randn({m, k}, options);
  const auto weight = at::randn({n, k}, options);
  double best = 0;
  for (int i = 0; i <= repeats; ++i) {  // one more than asked for: the first builds the primitive
    const auto start = std::chrono::steady_clock::now();
    at::linear(input, weight);
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(m * n * k) / elapsed.count());
  }
  return best;
}

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
  result.Set("bf16", cpu_has_bf16());
  result.Set("threads", EngineThread::instance().threads());
  result.Set("weightBytes", static_cast<double>(CrossEncoder::total_weight_bytes()));
  return result;
}

Napi::Value gemm_rate(const Napi::CallbackInfo& info) {
  const auto shape = info[0].ToObject();
  const auto size = [&shape](const char* key) { return shape.Get(key).ToNumber().Int64Value(); };
  const int64_t m = size("m"), n = size("n"), k = size("k");
  const auto precision = read_precision(info[1]);
  const int repeats = info[2].ToNumber().Int32Value();
  if (m < 1 || n < 1 || k < 1 || repeats < 1) {
    throw Napi::TypeError::New(info.Env(), "gemmRate: m, n, k and repeats must be at least 1");
  }
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(), [=](Workers&) { return best_gflops(m, n, k, precision, repeats); },
          [](Napi::Env env, double& rate) -> Napi::Value { return Napi::Number::New(env, rate); });
}

}  // namespace rank_distillm
