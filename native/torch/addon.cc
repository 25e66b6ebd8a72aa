// rank_distillm_torch.node: the engine on the devices of LibTorch, communication between ranks by its c10d, and
// LibTorch's products as rivals in benches.

#include <c10/util/Exception.h>
#include <napi.h>
#include <torch/version.h>

#include "api/environment.h"
#include "api/exports.h"
#include "cuda/device.h"
#include "cuda/device_cross_encoder.h"
#include "cuda/device_trainer.h"
#include "cuda/runtime.h"
#include "torch/native_communicator.h"
#include "torch/rival_gemm_rate.h"

namespace {

using namespace rank_distillm;

std::shared_ptr<ScoringModel> make_model(const ModelOptions& options, std::vector<TensorSource> tensors,
                                         Workers& workers) {
  const c10::InferenceMode inference_mode;
  return std::make_shared<DeviceCrossEncoder>(options, std::move(tensors), workers);
}

std::shared_ptr<TrainingModel> make_trainer(const TrainerOptions& options, std::vector<TensorSource> tensors,
                                            Workers& workers) {
  const c10::InferenceMode inference_mode;
  return std::make_shared<DeviceTrainer>(options, std::move(tensors), workers);
}

std::optional<ErrorWords> words_of(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  return ErrorWords{means_out_of_memory(error) ? "out_of_memory" : "native",
                    torch == nullptr ? error.what() : torch->what_without_backtrace()};
}

constexpr Backend backend = {make_model, make_trainer, words_of};

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

/// The CPU's, with LibTorch's version and the GPUs.
Napi::Value info(const Napi::CallbackInfo& call) {
  const auto env = call.Env();
  auto result = engine_info(env);
  result.Set("libtorch", TORCH_VERSION);
  result.Set("gpus", gpus(env));
  auto devices = result.Get("devices").As<Napi::Array>();
  const int count = cuda_is_emulated() ? emulated_gpus() : cuda::gpu_count();
  for (int i = 0; i < count; ++i) devices.Set(devices.Length(), "cuda:" + std::to_string(i));
  return result;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  set_exports(env, exports, backend);
  exports.Set("info", Napi::Function::New(env, info));
  exports.Set("rivalGemmRate", Napi::Function::New(env, rival_gemm_rate));
  exports.Set("Communicator", NativeCommunicator::define(env));
  exports.Set("exitNow", Napi::Function::New(env, exit_now));
  return exports;
}

}  // namespace

NODE_API_MODULE(rank_distillm_torch, init)
