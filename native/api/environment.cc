#include "api/environment.h"

namespace rank_distillm {

Napi::Error Environment::to_js_error(Napi::Env env, const std::exception_ptr& error) const {
  std::string code = "native";
  std::string message;
  const char* hint = nullptr;
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    code = known.code();
    message = known.what();
    hint = known.hint();
  } catch (const std::bad_alloc&) {
    code = "out_of_memory";
    message = "the system has no memory left for the engine";
  } catch (const std::exception& other) {
    const auto words = backend.words_of == nullptr ? std::nullopt : backend.words_of(other);
    if (words) code = words->code;
    message = words ? words->message : other.what();
  } catch (...) {
    message = "unknown native error";
  }
  auto js = Napi::Error::New(env, message);
  js.Set("code", Napi::String::New(env, code));
  if (hint != nullptr) js.Set("hint", Napi::String::New(env, hint));
  return js;
}

Environment::Environment(Napi::Env env, const Backend& backend)
    : backend(backend), to_js_thread_(env, "rank_distillm") {
  try {
    lane_of(0);
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
  try {
    close_at_exit(env);
  } catch (...) {
    close();  // a worker thread that is being ended runs no JavaScript
    throw;
  }
  // Registered after the thread-safe function, so it runs before that one is torn down; last, since a constructor that
  // throws leaves no object to close.
  env.AddCleanupHook([this] { close(); });
}

/// process.exit() on the main thread skips cleanup hooks but runs static destructors while the engine thread
/// may be working. The event `exit` comes before both.
void Environment::close_at_exit(Napi::Env env) {
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto on_exit = Napi::Function::New(env, [](const Napi::CallbackInfo& info) { of(info.Env()).close(); });
  process.Get("once").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), on_exit});
}

Environment::~Environment() { close(); }

EngineThread& Environment::lane_of(int lane) {
  auto& engine = lanes_[lane];
  if (engine == nullptr) {
    auto& found = EngineThread::instance(lane);
    found.retain();
    engine = &found;
  }
  return *engine;
}

void Environment::close() {
  if (std::exchange(closed_, true)) return;
  for (const auto& flag : pending_) flag->store(true);
  for (const auto& [lane, engine] : lanes_) {
    engine->drop(this);
    engine->release();
  }
  to_js_thread_.release();
}

void Environment::begin(Napi::Env env, const CancelFlag& cancel) {
  if (closed_) throw Napi::Error::New(env, "the process is exiting");
  if (pending_.empty()) to_js_thread_.ref(env);
  pending_.insert(cancel);
}

void Environment::end(Napi::Env env, const CancelFlag& cancel) {
  pending_.erase(pending_.find(cancel));
  if (pending_.empty()) to_js_thread_.unref(env);
}

Napi::Promise Environment::submit_blocks(Napi::Env env, const CancelFlag& cancel, const std::function<BlockJob()>& make,
                                         std::function<Napi::Value(Napi::Env)> to_js) {
  auto deferred = Napi::Promise::Deferred::New(env);
  BlockJob job;
  try {
    job = make();
  } catch (const std::exception&) {
    settle(env, deferred, []() -> Napi::Value { throw; });
    return deferred.Promise();
  }
  begin(env, cancel);
  job.owner = this;
  job.cancel = cancel;
  job.done = [this, cancel, deferred, to_js = std::move(to_js)](const std::exception_ptr& error) {
    to_js_thread_.post([this, cancel, deferred, error, to_js](Napi::Env env) {
      end(env, cancel);
      settle(env, deferred, [&] {
        if (error) throw to_js_error(env, error);
        return to_js(env);
      });
    });
  };
  lane_of(0).post_blocks(std::move(job));
  return deferred.Promise();
}

Napi::Promise Environment::close_model(Napi::Env env, std::shared_ptr<void> model, const void* after_model, int lane) {
  return submit(
      env, make_cancel_flag(),
      [model = std::move(model)](Workers&) mutable {
        model.reset();
        return true;
      },
      [](Napi::Env env, bool&) -> Napi::Value { return env.Undefined(); }, 0, after_model, lane);
}

void Environment::settle(Napi::Env env, const Napi::Promise::Deferred& deferred,
                         const std::function<Napi::Value()>& value) const {
  try {
    try {
      deferred.Resolve(value());
    } catch (const Napi::Error& error) {
      deferred.Reject(error.Value());
    } catch (...) {
      deferred.Reject(to_js_error(env, std::current_exception()).Value());
    }
  } catch (const Napi::Error&) {
    // A worker that is being terminated can run no JavaScript, and nothing awaits the promise. The C function, because
    // node-addon-api's throws if it fails.
    napi_value ignored;
    napi_get_and_clear_last_exception(env, &ignored);
  }
}

}  // namespace rank_distillm
