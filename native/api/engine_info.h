#pragma once

#include <napi.h>

namespace rank_distillm {

/// `info()`: LibTorch's version, devices, CPU features, threads and memory of weights.
Napi::Value engine_info(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
