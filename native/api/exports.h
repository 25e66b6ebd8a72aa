#pragma once

#include <napi.h>

#include "api/backend.h"

namespace rank_distillm {

/// Sets what both addons export, see binding.d.ts. `backend` is static.
void set_exports(Napi::Env env, const Napi::Object& exports, const Backend& backend);

/// `info()`: devices (the CPU), CPU features, threads and memory of weights.
Napi::Object engine_info(Napi::Env env);

}  // namespace rank_distillm
