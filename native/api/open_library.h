#pragma once

#include <napi.h>

namespace rank_distillm {

/// openLibrary(path) of binding.d.ts.
Napi::Value open_library(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
