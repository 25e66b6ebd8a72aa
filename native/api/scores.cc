#include "api/scores.h"

#include <algorithm>

namespace rank_distillm {

namespace {

Napi::Object op_seconds(Napi::Env env, const Scores& scores) {
  const auto& ticks = scores.counters.ticks;
  const auto known = ticks.linear + ticks.activation + ticks.attention + ticks.norm + ticks.embedding;
  auto result = Napi::Object::New(env);
  const auto set = [&](const char* name, uint64_t value) {
    result.Set(name, scores.seconds_per_tick * static_cast<double>(value));
  };
  set("linear", ticks.linear);
  set("activation", ticks.activation);
  set("attention", ticks.attention);
  set("norm", ticks.norm);
  set("embedding", ticks.embedding);
  set("rest", ticks.all > known ? ticks.all - known : 0);
  return result;
}

}  // namespace

Napi::Object scores_to_js(Napi::Env env, const Scores& scores, ElementType precision) {
  auto values = Napi::Float32Array::New(env, scores.values.size());
  std::copy(scores.values.begin(), scores.values.end(), values.Data());
  auto result = Napi::Object::New(env);
  result.Set("scores", values);
  result.Set("precision", name_of(precision));
  result.Set("linearRows", static_cast<double>(scores.counters.linear_rows));
  result.Set("linearFlops", static_cast<double>(scores.counters.linear_flops));
  result.Set("halvedTo", static_cast<double>(scores.halved_to));
  result.Set("seconds", scores.seconds);
  result.Set("opSeconds", op_seconds(env, scores));
  return result;
}

Napi::Error closed_error(Napi::Env env, const char* message) {
  auto error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, "closed"));
  return error;
}

}  // namespace rank_distillm
