#pragma once

#include <napi.h>

#include "model/scoring_model.h"

namespace rank_distillm {

/// binding.d.ts `ScoreResult`.
Napi::Object scores_to_js(Napi::Env env, const Scores& scores, ElementType precision);

/// The error for a call after close().
Napi::Error closed_error(Napi::Env env, const char* message);

}  // namespace rank_distillm
