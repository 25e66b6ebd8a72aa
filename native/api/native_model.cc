#include "api/native_model.h"

#include <utility>
#include <vector>

#include "api/cancel_token.h"
#include "api/create.h"
#include "api/environment.h"
#include "api/js_values.h"
#include "api/scores.h"

namespace rank_distillm {
namespace {

using SharedModel = std::shared_ptr<ScoringModel>;

}  // namespace

Napi::Function NativeModel::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {InstanceMethod("score", &NativeModel::score), InstanceMethod("close", &NativeModel::close),
                      InstanceAccessor("precision", &NativeModel::precision, nullptr),
                      InstanceAccessor("weightBytes", &NativeModel::weight_bytes, nullptr),
                      InstanceAccessor("windowTokens", &NativeModel::window_tokens, nullptr)});
}

Napi::Value NativeModel::create(const Napi::CallbackInfo& info) {
  return rank_distillm::create<SharedModel>(info, read_model_options, Environment::of(info.Env()).backend.make_model,
                                            &Environment::model_class);
}

NativeModel::NativeModel(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "use createModel()");
  model_ = *info[0].As<Napi::External<SharedModel>>().Data();
  precision_ = model_->precision();
  weight_bytes_ = model_->weight_bytes();
  window_tokens_ = model_->window_tokens();
}

Napi::Value NativeModel::score(const Napi::CallbackInfo& info) {
  const auto env = info.Env();
  if (!model_) throw closed_error(env, "the model is closed");
  auto batch = read_packed_batch(info[0]);
  const auto cancel = CancelToken::flag_of(info[1]);
  if (model_->scores_in_blocks()) return score_in_blocks(env, std::move(batch), cancel);
  return Environment::of(env).submit(
      env, cancel,
      [model = model_, batch = std::move(batch), cancel](Workers& workers) {
        return model->score(batch, workers, cancel);
      },
      [precision = precision_](Napi::Env env, Scores& scores) { return scores_to_js(env, scores, precision); }, 0,
      nullptr, model_->lane());
}

Napi::Value NativeModel::score_in_blocks(Napi::Env env, PackedBatch packed, const CancelFlag& cancel) const {
  const auto batch = std::make_shared<ScoredBatch>(std::move(packed), EngineThread::instance().threads());
  return Environment::of(env).submit_blocks(
      env, cancel,
      [&] {
        model_->check(batch->packed());
        BlockJob job;
        job.model = model_.get();
        job.batch = batch;
        job.run = [model = model_](const std::vector<BatchPart>& parts, const std::function<void()>& between_layers) {
          model->score_block(parts, between_layers);
        };
        return job;
      },
      [batch, precision = precision_](Napi::Env env) -> Napi::Value {
        return scores_to_js(env, batch->result(), precision);
      });
}

Napi::Value NativeModel::close(const Napi::CallbackInfo& info) {
  // The engine runs jobs in order, and this one after the model's blocks: all earlier jobs have ended when it runs.
  const void* model = model_.get();
  const int lane = model_ ? model_->lane() : 0;
  return Environment::of(info.Env()).close_model(info.Env(), std::exchange(model_, nullptr), model, lane);
}

Napi::Value NativeModel::precision(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), name_of(precision_));
}

Napi::Value NativeModel::weight_bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(weight_bytes_));
}

Napi::Value NativeModel::window_tokens(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(window_tokens_));
}

}  // namespace rank_distillm
