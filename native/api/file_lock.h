#pragma once

#include <napi.h>

namespace rank_distillm {

/// lockFile(fd) of binding.d.ts.
Napi::Value lock_file(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
