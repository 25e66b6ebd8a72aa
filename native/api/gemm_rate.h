#pragma once

#include <napi.h>

namespace rank_distillm {

/// `gemmRate({ m, n, k }, precision, kernel, repeats)`: the best GFLOP/s of a product's kernel.
Napi::Value gemm_rate(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
