// rank_distillm.node: the engine on the CPU.

#include <napi.h>

#include "api/exports.h"
#include "api/file_lock.h"
#include "api/gemm_rate.h"
#include "api/open_library.h"
#include "api/read_regions.h"
#include "model/cross_encoder.h"
#include "train/trainer.h"

namespace {

using namespace rank_distillm;

void check_device(const DeviceOptions& device) {
  if (device.is_cpu()) return;
  throw Error("unsupported", "device: " + device.name + ": rank_distillm.node computes on the CPU");
}

std::shared_ptr<ScoringModel> make_model(const ModelOptions& options, std::vector<TensorSource> tensors,
                                         Workers& workers) {
  check_device(options.device);
  return std::make_shared<CrossEncoder>(options, std::move(tensors), workers);
}

std::shared_ptr<TrainingModel> make_trainer(const TrainerOptions& options, std::vector<TensorSource> tensors,
                                            Workers& workers) {
  check_device(options.model.device);
  return std::make_shared<Trainer>(options, std::move(tensors), workers);
}

constexpr Backend backend = {make_model, make_trainer, nullptr};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  set_exports(env, exports, backend);
  exports.Set("info", Napi::Function::New(env, [](const Napi::CallbackInfo& info) { return engine_info(info.Env()); }));
  exports.Set("gemmRate", Napi::Function::New(env, gemm_rate));
  exports.Set("readRegions", Napi::Function::New(env, read_regions));
  exports.Set("lockFile", Napi::Function::New(env, lock_file));
  exports.Set("openLibrary", Napi::Function::New(env, open_library));
  return exports;
}

}  // namespace

NODE_API_MODULE(rank_distillm, init)
