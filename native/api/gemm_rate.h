#pragma once

#include <napi.h>

namespace rank_distillm {

/// `gemmRate({ m, n, k }, precision, kernel, repeats)`: GFLOP/s of a product's kernel, best of the repeats.
Napi::Value gemm_rate(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
