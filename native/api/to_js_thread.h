#pragma once

#include <napi.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace rank_distillm {

/// What another thread asks the thread of JavaScript to run.
using Settlement = std::function<void(Napi::Env)>;

/// Node.js calls it without an environment for what is left when the environment ends: then it is only freed.
inline void run_settlement(Napi::Env env, Napi::Function /*unused*/, std::nullptr_t* /*unused*/,
                           Settlement* settlement) {
  const std::unique_ptr<Settlement> owned(settlement);
  if (env != nullptr) (*owned)(env);
}

/// The way from other threads to that of JavaScript. Napi::ThreadSafeFunction would leak what is left when the
/// environment ends: a thread that is terminated while it loads a model would lose the model's weights.
class ToJsThread {
 public:
  ToJsThread() = default;
  /// Does not keep the process alive, see `ref`.
  ToJsThread(Napi::Env env, const char* name) : function_(Function::New(env, name, 0, 1)) { function_.Unref(env); }

  /// From any thread. Where the environment is gone, the settlement is leaked: what it holds of it cannot be freed.
  void post(Settlement settlement) const { function_.NonBlockingCall(new Settlement(std::move(settlement))); }

  /// From any thread: nothing is posted after it.
  void release() { function_.Release(); }

  void ref(Napi::Env env) { function_.Ref(env); }
  void unref(Napi::Env env) { function_.Unref(env); }

 private:
  using Function = Napi::TypedThreadSafeFunction<std::nullptr_t, Settlement, run_settlement>;

  Function function_;
};

}  // namespace rank_distillm
