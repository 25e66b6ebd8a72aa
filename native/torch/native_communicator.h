#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "torch/communicator.h"

namespace rank_distillm {

/// binding.d.ts `NativeCommunicator`. Calls run one after the other on a thread of their own, because they wait for
/// other processes while the engine computes.
class NativeCommunicator : public Napi::ObjectWrap<NativeCommunicator> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit NativeCommunicator(const Napi::CallbackInfo& info);

 private:
  struct Calls;
  using ToJs = std::function<Napi::Value(Napi::Env)>;
  /// Runs on the thread; what it returns runs on that of JavaScript.
  using Call = std::function<ToJs(Communicator&)>;

  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value all_reduce(const Napi::CallbackInfo& info);
  Napi::Value gradient_sums(const Napi::CallbackInfo& info);
  Napi::Value finish_sums(const Napi::CallbackInfo& info);
  Napi::Value all_gather(const Napi::CallbackInfo& info);
  Napi::Value add(const Napi::CallbackInfo& info);
  Napi::Value set(const Napi::CallbackInfo& info);
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value fault(const Napi::CallbackInfo& info);
  Napi::Value suspect(const Napi::CallbackInfo& info);
  Napi::Value fail(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Value submit(Napi::Env env, Call call);

  std::shared_ptr<Calls> calls_;
};

/// `exitNow(code)`: ends the process without destructors, which would wait for collectives that never end.
Napi::Value exit_now(const Napi::CallbackInfo& info);

}  // namespace rank_distillm
