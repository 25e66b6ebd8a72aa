#include "torch/native_communicator.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "api/environment.h"
#include "api/js_values.h"
#include "train/gradient_buckets.h"

namespace rank_distillm {
namespace {

std::string read_text(const Napi::Object& options, const char* key) {
  const auto value = options.Get(key);
  if (!value.IsString()) throw Napi::TypeError::New(options.Env(), std::string(key) + ": expected text");
  return value.As<Napi::String>();
}

CommunicatorOptions read_options(const Napi::Value& value) {
  if (!value.IsObject()) throw Napi::TypeError::New(value.Env(), "options: expected an object");
  const auto options = value.As<Napi::Object>();
  const auto integer = [&options](const char* key) { return read_integer(options.Get(key), key); };
  return {.host = read_text(options, "host"),
          .port = static_cast<uint16_t>(integer("port")),
          .serves = options.Get("serves").ToBoolean(),
          .rank = static_cast<int>(integer("rank")),
          .ranks = static_cast<int>(integer("ranks")),
          .prefix = read_text(options, "prefix"),
          .interface = read_text(options, "interface"),
          .label = read_text(options, "label"),
          .join_seconds = options.Get("joinSeconds").ToNumber(),
          .timeout_seconds = options.Get("timeoutSeconds").ToNumber()};
}

Bytes read_bytes(const Napi::Value& value) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), "bytes: expected a Uint8Array");
  const auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.Data() + array.ByteLength()};
}

Napi::Value to_js(Napi::Env env, const Bytes& bytes) {
  auto array = Napi::Uint8Array::New(env, bytes.size());
  std::copy(bytes.begin(), bytes.end(), array.Data());
  return array;
}

Napi::Value undefined(Napi::Env env) { return env.Undefined(); }

}  // namespace

/// The thread shares it with the JavaScript object, so that either may end first. Without `close` it is leaked with the
/// thread, which may wait for a rank that is gone.
struct NativeCommunicator::Calls {
  explicit Calls(CommunicatorOptions options) : communicator(std::make_unique<Communicator>(std::move(options))) {}

  void run() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return !waiting.empty(); });
      const auto call = std::move(waiting.front());
      waiting.pop_front();
      if (!call) return;
      lock.unlock();
      call();
      lock.lock();
    }
  }

  void post(std::function<void()> call) {
    {
      const std::lock_guard lock(mutex);
      waiting.push_back(std::move(call));
    }
    changed.notify_one();
  }

  std::unique_ptr<Communicator> communicator;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> waiting;  // an empty one ends the thread
};

Napi::Function NativeCommunicator::define(Napi::Env env) {
  return DefineClass(
      env, "NativeCommunicator",
      {InstanceMethod("connect", &NativeCommunicator::connect),
       InstanceMethod("allReduce", &NativeCommunicator::all_reduce),
       InstanceMethod("gradientSums", &NativeCommunicator::gradient_sums),
       InstanceMethod("finishSums", &NativeCommunicator::finish_sums),
       InstanceMethod("allGather", &NativeCommunicator::all_gather), InstanceMethod("add", &NativeCommunicator::add),
       InstanceMethod("set", &NativeCommunicator::set), InstanceMethod("take", &NativeCommunicator::take),
       InstanceMethod("fault", &NativeCommunicator::fault), InstanceMethod("suspect", &NativeCommunicator::suspect),
       InstanceMethod("fail", &NativeCommunicator::fail), InstanceMethod("leave", &NativeCommunicator::leave),
       InstanceMethod("close", &NativeCommunicator::close)});
}

NativeCommunicator::NativeCommunicator(const Napi::CallbackInfo& info)
    : ObjectWrap(info), calls_(std::make_shared<Calls>(read_options(info[0]))) {
  std::thread([calls = calls_] { calls->run(); }).detach();
}

Napi::Value NativeCommunicator::submit(Napi::Env env, Call call) {
  auto deferred = Napi::Promise::Deferred::New(env);
  if (!calls_) throw Napi::Error::New(env, "the communicator is closed");
  const auto* environment = &Environment::of(env);
  ToJsThread back(env, "communicator");  // not kept alive by it: after a fault the process must be able to end
  calls_->post([call = std::move(call), calls = calls_.get(), deferred, back, environment]() mutable {
    ToJs to_js;
    std::exception_ptr error;
    try {
      to_js = call(*calls->communicator);
    } catch (...) {
      error = std::current_exception();
    }
    // With the call, whose references to JavaScript objects are let go of on that thread.
    back.post([=, call = std::move(call)](Napi::Env env) {
      environment->settle(env, deferred, [&] {
        if (error) throw environment->to_js_error(env, error);
        return to_js(env);
      });
    });
    back.release();
  });
  return deferred.Promise();
}

Napi::Value NativeCommunicator::connect(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [](Communicator& communicator) -> ToJs {
    communicator.connect();
    return undefined;
  });
}

Napi::Value NativeCommunicator::all_reduce(const Napi::CallbackInfo& info) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Napi::TypeError::New(info.Env(), "values: expected a Float32Array");
  }
  auto array = info[0].As<Napi::Float32Array>();
  auto held = std::make_shared<Napi::ObjectReference>(Napi::Persistent(array.As<Napi::Object>()));
  return submit(info.Env(),
                [values = array.Data(), count = static_cast<int64_t>(array.ElementLength()),
                 held](Communicator& communicator) -> ToJs {
                  communicator.begin_sum(values, count, -1);
                  communicator.finish_sums();
                  return undefined;
                });
}

/// The sums are begun on the thread of the calls, in the order in which they were handed over.
Napi::Value NativeCommunicator::gradient_sums(const Napi::CallbackInfo& info) {
  if (!calls_) throw Napi::Error::New(info.Env(), "the communicator is closed");
  const auto begin = [](void* state, float* values, int64_t count, int device) {
    auto& calls = *static_cast<Calls*>(state);
    calls.post([&calls, values, count, device] { calls.communicator->begin_sum(values, count, device); });
  };
  // What the thread shares is there as long as the value, which JavaScript holds while trainers use it.
  auto* sums = new GradientSums{.state = calls_.get(), .begin = begin};
  const auto release = [calls = calls_](Napi::Env, GradientSums* data) { delete data; };
  return Napi::External<GradientSums>::New(info.Env(), sums, release);
}

Napi::Value NativeCommunicator::finish_sums(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [](Communicator& communicator) -> ToJs {
    communicator.finish_sums();
    return undefined;
  });
}

Napi::Value NativeCommunicator::all_gather(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [bytes = read_bytes(info[0])](Communicator& communicator) -> ToJs {
    return [all = communicator.all_gather(bytes)](Napi::Env env) -> Napi::Value {
      auto result = Napi::Array::New(env, all.size());
      for (uint32_t i = 0; i < all.size(); ++i) result.Set(i, to_js(env, all[i]));
      return result;
    };
  });
}

Napi::Value NativeCommunicator::add(const Napi::CallbackInfo& info) {
  const std::string key = info[0].ToString();
  return submit(info.Env(), [key, number = read_integer(info[1], "number")](Communicator& communicator) -> ToJs {
    return [sum = communicator.add(key, number)](Napi::Env env) -> Napi::Value {
      return Napi::Number::New(env, static_cast<double>(sum));
    };
  });
}

Napi::Value NativeCommunicator::set(const Napi::CallbackInfo& info) {
  const std::string key = info[0].ToString();
  return submit(info.Env(), [key, value = read_bytes(info[1])](Communicator& communicator) -> ToJs {
    communicator.set(key, value);
    return undefined;
  });
}

Napi::Value NativeCommunicator::take(const Napi::CallbackInfo& info) {
  const std::string key = info[0].ToString();
  return submit(info.Env(), [key](Communicator& communicator) -> ToJs {
    return [value = communicator.take(key)](Napi::Env env) { return value ? to_js(env, *value) : env.Undefined(); };
  });
}

Napi::Value NativeCommunicator::fault(const Napi::CallbackInfo& info) {
  const auto fault = calls_ ? calls_->communicator->fault() : std::nullopt;
  if (!fault) return info.Env().Undefined();
  auto result = Napi::Object::New(info.Env());
  result.Set("rank", fault->rank);
  result.Set("message", fault->message);
  return result;
}

Napi::Value NativeCommunicator::suspect(const Napi::CallbackInfo& info) {
  if (calls_) calls_->communicator->suspect();
  return info.Env().Undefined();
}

Napi::Value NativeCommunicator::fail(const Napi::CallbackInfo& info) {
  if (calls_) calls_->communicator->fail(info[0].ToString());
  return info.Env().Undefined();
}

Napi::Value NativeCommunicator::leave(const Napi::CallbackInfo& info) {
  if (calls_) calls_->communicator->leave();
  return info.Env().Undefined();
}

Napi::Value NativeCommunicator::close(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  auto result = submit(env, [](Communicator&) -> ToJs { return undefined; });
  // Destroyed on the thread, which then ends.
  calls_->post([calls = calls_] { calls->communicator.reset(); });
  calls_->post(nullptr);
  calls_.reset();
  return result;
}

Napi::Value exit_now(const Napi::CallbackInfo& info) { _exit(info[0].ToNumber().Int32Value()); }

}  // namespace rank_distillm
