#include "api/native_trainer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "api/cancel_token.h"
#include "api/create.h"
#include "api/environment.h"
#include "api/js_values.h"
#include "api/scores.h"

namespace rank_distillm {
namespace {

using SharedTrainer = std::shared_ptr<TrainingModel>;

Napi::Value nothing(Napi::Env env, bool&) { return env.Undefined(); }

/// `NativeCommunicator.gradientSums`, perhaps of the other addon.
GradientSums read_sums(const Napi::Value& value) {
  const auto* sums = value.IsExternal() ? value.As<Napi::External<GradientSums>>().Data() : nullptr;
  if (sums == nullptr || sums->kind != GradientSums::expected_kind) {
    throw Napi::TypeError::New(value.Env(), "sums: expected a communicator's gradientSums");
  }
  return *sums;
}

/// A job without a result.
template <typename Work>
Napi::Value submit(Napi::Env env, Work work) {
  return Environment::of(env).submit(
      env, make_cancel_flag(),
      [work = std::move(work)](Workers& workers) mutable {
        work(workers);
        return true;
      },
      nothing);
}

}  // namespace

Napi::Function NativeTrainer::define(Napi::Env env) {
  return DefineClass(
      env, "NativeTrainer",
      {InstanceMethod("score", &NativeTrainer::score), InstanceMethod("forward", &NativeTrainer::forward),
       InstanceMethod("backward", &NativeTrainer::backward), InstanceMethod("discard", &NativeTrainer::discard),
       InstanceMethod("sumGradients", &NativeTrainer::sum_gradients),
       InstanceMethod("gradientNorm", &NativeTrainer::gradient_norm), InstanceMethod("step", &NativeTrainer::step),
       InstanceMethod("zeroGradients", &NativeTrainer::zero_gradients), InstanceMethod("read", &NativeTrainer::read),
       InstanceMethod("write", &NativeTrainer::write), InstanceMethod("close", &NativeTrainer::close),
       InstanceAccessor("parameters", &NativeTrainer::parameters, nullptr),
       InstanceAccessor("precision", &NativeTrainer::precision, nullptr),
       InstanceAccessor("size", &NativeTrainer::size, nullptr),
       InstanceAccessor("weightBytes", &NativeTrainer::weight_bytes, nullptr),
       InstanceAccessor("bytesPerToken", &NativeTrainer::bytes_per_token, nullptr),
       InstanceAccessor("tokensPerPart", &NativeTrainer::tokens_per_part, nullptr),
       InstanceAccessor("activationBytes", &NativeTrainer::activation_bytes, nullptr)});
}

Napi::Value NativeTrainer::create(const Napi::CallbackInfo& info) {
  return rank_distillm::create<SharedTrainer>(
      info, read_trainer_options, Environment::of(info.Env()).backend.make_trainer, &Environment::trainer_class);
}

NativeTrainer::NativeTrainer(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "use createTrainer()");
  trainer_ = *info[0].As<Napi::External<SharedTrainer>>().Data();
  precision_ = trainer_->precision();
}

std::shared_ptr<TrainingModel> NativeTrainer::trainer(Napi::Env env) const {
  if (!trainer_) throw closed_error(env, "the trainer is closed");
  return trainer_;
}

Napi::Value NativeTrainer::score(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<const PackedBatch>(read_packed_batch(info[0]));
  const auto cancel = CancelToken::flag_of(info[1]);
  return Environment::of(info.Env())
      .submit(
          info.Env(), cancel,
          [trainer = trainer(info.Env()), batch, cancel](Workers& workers) {
            return trainer->score(*batch, workers, cancel);
          },
          [precision = precision_](Napi::Env env, Scores& scores) -> Napi::Value {
            return scores_to_js(env, scores, precision);
          });
}

Napi::Value NativeTrainer::forward(const Napi::CallbackInfo& info) {
  auto batch = std::make_shared<TrainingBatch>(read_training_batch(info[0]));
  const auto step = static_cast<uint32_t>(read_integer(info[1], "step"));
  const bool keep = info[2].ToBoolean();
  const auto cancel = CancelToken::flag_of(info[3]);
  return Environment::of(info.Env())
      .submit(
          info.Env(), cancel,
          [trainer = trainer(info.Env()), batch, step, keep, cancel](Workers& workers) {
            return trainer->forward(std::move(*batch), step, keep, workers, cancel);
          },
          [precision = precision_](Napi::Env env, TrainingModel::Forward& forward) -> Napi::Value {
            auto result = scores_to_js(env, forward.scores, precision);
            result.Set("kept", static_cast<double>(forward.kept));
            return result;
          });
}

Napi::Value NativeTrainer::backward(const Napi::CallbackInfo& info) {
  const auto kept = read_integer(info[0], "kept");
  auto gradient = read_floats(info[1], "gradient");
  const auto sums = info[2].IsUndefined() ? std::optional<GradientSums>() : read_sums(info[2]);
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [trainer = trainer(info.Env()), kept, gradient = std::move(gradient), sums](Workers& workers) {
            return trainer->backward(kept, gradient, workers, sums ? &*sums : nullptr);
          },
          [](Napi::Env env, Counters& counters) -> Napi::Value {
            auto result = Napi::Object::New(env);
            result.Set("linearRows", static_cast<double>(counters.linear_rows));
            result.Set("linearFlops", static_cast<double>(counters.linear_flops));
            return result;
          });
}

Napi::Value NativeTrainer::discard(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [trainer = trainer(info.Env()), kept = read_integer(info[0], "kept")](Workers&) {
    trainer->discard(kept);
  });
}

Napi::Value NativeTrainer::sum_gradients(const Napi::CallbackInfo& info) {
  return submit(info.Env(),
                [trainer = trainer(info.Env()), sums = read_sums(info[0])](Workers&) { trainer->sum_gradients(sums); });
}

Napi::Value NativeTrainer::gradient_norm(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [trainer = trainer(info.Env())](Workers& workers) { return trainer->gradient_norm(workers); },
          [](Napi::Env env, double& norm) -> Napi::Value { return Napi::Number::New(env, norm); });
}

Napi::Value NativeTrainer::step(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [trainer = trainer(info.Env()), step = read_adamw_step(info[0])](Workers& workers) {
    trainer->step(step, workers);
  });
}

Napi::Value NativeTrainer::zero_gradients(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [trainer = trainer(info.Env())](Workers&) { trainer->zero_gradients(); });
}

Napi::Value NativeTrainer::read(const Napi::CallbackInfo& info) {
  const auto array = read_flat_array(info[0]);
  const auto offset = read_integer(info[1], "offset"), count = read_integer(info[2], "count");
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [trainer = trainer(info.Env()), array, offset, count](Workers&) {
            return trainer->read(array, offset, count);
          },
          [](Napi::Env env, std::vector<float>& values) -> Napi::Value {
            auto result = Napi::Float32Array::New(env, values.size());
            std::copy(values.begin(), values.end(), result.Data());
            return result;
          });
}

Napi::Value NativeTrainer::write(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [trainer = trainer(info.Env()), array = read_flat_array(info[0]),
                             offset = read_integer(info[1], "offset"), values = read_floats(info[2], "values")](
                                Workers&) { trainer->write(array, offset, values); });
}

Napi::Value NativeTrainer::close(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).close_model(info.Env(), std::exchange(trainer_, nullptr));
}

Napi::Value NativeTrainer::parameters(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  const auto& places = trainer(env)->layout().places();
  auto result = Napi::Array::New(env, places.size());
  for (uint32_t i = 0; i < places.size(); ++i) {
    auto shape = Napi::Array::New(env, places[i].shape.size());
    for (uint32_t d = 0; d < places[i].shape.size(); ++d) shape.Set(d, static_cast<double>(places[i].shape[d]));
    auto place = Napi::Object::New(env);
    place.Set("name", places[i].name);
    place.Set("shape", shape);
    place.Set("offset", static_cast<double>(places[i].offset));
    result.Set(i, place);
  }
  return result;
}

Napi::Value NativeTrainer::precision(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), name_of(precision_));
}

Napi::Value NativeTrainer::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer(info.Env())->layout().size()));
}

Napi::Value NativeTrainer::weight_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer(info.Env())->bytes()));
}

Napi::Value NativeTrainer::bytes_per_token(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer(info.Env())->bytes_per_token()));
}

Napi::Value NativeTrainer::tokens_per_part(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer(info.Env())->tokens_per_part()));
}

Napi::Value NativeTrainer::activation_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(trainer(info.Env())->activation_bytes()));
}

}  // namespace rank_distillm
