#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "api/environment.h"
#include "api/js_values.h"

namespace rank_distillm {

/// createModel(options, tensors) and createTrainer(options, tensors): creates the object on the engine thread and
/// passes it to the constructor of `js_class` as a Napi::External of `Shared`, a shared pointer.
template <typename Shared, typename Options>
Napi::Value create(const Napi::CallbackInfo& info, Options (*read_options)(const Napi::Object&),
                   Shared (*make)(const Options&, std::vector<TensorSource>, Workers&),
                   Napi::FunctionReference Environment::* js_class) {
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "options: expected an object");
  const auto js_options = info[0].As<Napi::Object>();
  const auto options = read_options(js_options);
  const int threads = js_options.Get("threads").ToNumber().Int32Value();
  auto tensors = std::make_shared<std::vector<TensorSource>>(read_tensors(info[1]));
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [options, tensors, make](Workers& workers) { return make(options, std::move(*tensors), workers); },
          [js_class](Napi::Env env, Shared& made) -> Napi::Value {
            return (Environment::of(env).*js_class).New({Napi::External<Shared>::New(env, &made)});
          },
          threads);
}

}  // namespace rank_distillm
