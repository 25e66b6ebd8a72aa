#pragma once

#include <napi.h>

namespace rank_distillm {

/// `rivalGemmRate(shape, precision, repeats, kernel, device, tf32)`: the rate of LibTorch's products on this machine.
Napi::Value rival_gemm_rate(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
