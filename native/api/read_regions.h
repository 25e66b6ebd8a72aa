#pragma once

#include <napi.h>

namespace rank_distillm {

/// readRegions(fd, regions, target) of binding.d.ts.
Napi::Value read_regions(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
