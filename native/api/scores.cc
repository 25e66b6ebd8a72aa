#include "api/scores.h"

#include <algorithm>

namespace rank_distillm {

Napi::Object scores_to_js(Napi::Env env, const Scores& scores, Precision precision) {
  auto values = Napi::Float32Array::New(env, scores.values.size());
  std::copy(scores.values.begin(), scores.values.end(), values.Data());
  auto result = Napi::Object::New(env);
  result.Set("scores", values);
  result.Set("precision", name_of(precision));
  result.Set("linearRows", static_cast<double>(scores.counters.linear_rows));
  result.Set("linearFlops", static_cast<double>(scores.counters.linear_flops));
  result.Set("seconds", scores.seconds);
  return result;
}

Napi::Error closed_error(Napi::Env env, const char* message) {
  auto error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, "closed"));
  return error;
}

}  // namespace rank_distillm
