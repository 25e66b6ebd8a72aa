#pragma once

#include <napi.h>

#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_set>
#include <utility>

#include "api/backend.h"
#include "api/to_js_thread.h"
#include "core/cancel.h"
#include "core/engine_thread.h"
#include "core/error.h"

namespace rank_distillm {

/// State of one JavaScript environment (main thread or worker): the way back from the engine thread and the jobs it
/// waits for. Instance data, not statics: each worker loads the addon again.
class Environment {
 public:
  Environment(Napi::Env env, const Backend& backend);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  /// Runs `work(workers)` on the engine thread, then `to_js(env, result)` on this one, and settles the promise.
  /// `cancel` is set if the environment closes while the job runs. `threads` is the engine's number of threads from
  /// this job on; 0 keeps it.
  /// `after_model`: see EngineThread::post; `lane`: see EngineThread::instance.
  template <typename Work, typename ToJs>
  Napi::Promise submit(Napi::Env env, const CancelFlag& cancel, Work work, ToJs to_js, int threads = 0,
                       const void* after_model = nullptr, int lane = 0);

  /// The same for a job of blocks: `make` makes it, without `owner` and `done`. `to_js` gives the result of its end.
  Napi::Promise submit_blocks(Napi::Env env, const CancelFlag& cancel, const std::function<BlockJob()>& make,
                              std::function<Napi::Value(Napi::Env)> to_js);

  /// Frees a model once its jobs have ended, see `submit`.
  Napi::Promise close_model(Napi::Env env, std::shared_ptr<void> model, const void* after_model = nullptr,
                            int lane = 0);

  /// A JavaScript Error with `code` and, if the error has one, `hint`.
  Napi::Error to_js_error(Napi::Env env, const std::exception_ptr& error) const;
  /// Settles a promise with what `value` returns or throws.
  void settle(Napi::Env env, const Napi::Promise::Deferred& deferred, const std::function<Napi::Value()>& value) const;

  const Backend& backend;
  Napi::FunctionReference model_class;
  Napi::FunctionReference trainer_class;
  Napi::FunctionReference cancel_token_class;

 private:
  void begin(Napi::Env env, const CancelFlag& cancel);
  void end(Napi::Env env, const CancelFlag& cancel);
  void close();
  void close_at_exit(Napi::Env env);

  /// Retains it when it is first used.
  EngineThread& lane_of(int lane);

  std::map<int, EngineThread*> lanes_;  // in use
  ToJsThread to_js_thread_;
  std::unordered_multiset<CancelFlag> pending_;  // one per job: the jobs of a stream share a flag
  bool closed_ = false;
};

template <typename Work, typename ToJs>
Napi::Promise Environment::submit(Napi::Env env, const CancelFlag& cancel, Work work, ToJs to_js, int threads,
                                  const void* after_model, int lane) {
  using Result = std::invoke_result_t<Work, Workers&>;
  auto deferred = Napi::Promise::Deferred::New(env);
  auto& engine = closed_ ? EngineThread::instance() : lane_of(lane);  // `begin` throws then
  begin(env, cancel);
  auto job = [this, &engine, cancel, deferred, threads, work = std::move(work),
              to_js = std::move(to_js)](const EngineThread::TakeWorkers& workers) mutable {
    auto result = std::make_shared<std::optional<Result>>();
    std::exception_ptr error;
    try {
      throw_if_cancelled(cancel);
      engine.set_threads(threads);
      result->emplace(work(workers()));
    } catch (...) {
      error = std::current_exception();
    }
    to_js_thread_.post([this, cancel, deferred, result, error, to_js = std::move(to_js)](Napi::Env env) mutable {
      end(env, cancel);
      settle(env, deferred, [&] {
        if (error) throw to_js_error(env, error);
        return Napi::Value(to_js(env, **result));
      });
    });
  };
  engine.post(this, std::move(job), after_model);
  return deferred.Promise();
}

}  // namespace rank_distillm
