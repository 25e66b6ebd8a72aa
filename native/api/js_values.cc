#include "api/js_values.h"

#include <map>
#include <string>

namespace rank_distillm {
namespace {

Napi::TypeError wrong(const Napi::Value& value, const std::string& key, const std::string& expected) {
  auto error = Napi::TypeError::New(value.Env(), key + ": expected " + expected);
  error.Set("code", Napi::String::New(value.Env(), "bad_input"));
  return error;
}

Napi::Object object_of(const Napi::Value& value, const std::string& key) {
  if (!value.IsObject()) throw wrong(value, key, "an object");
  return value.As<Napi::Object>();
}

int64_t integer(const Napi::Object& object, const char* key, int64_t least) {
  const auto value = object.Get(key);
  if (!value.IsNumber()) throw wrong(value, key, "an integer");
  const auto number = value.As<Napi::Number>().Int64Value();
  if (number < least) throw wrong(value, key, "at least " + std::to_string(least));
  return number;
}

std::string text(const Napi::Object& object, const char* key) {
  const auto value = object.Get(key);
  if (!value.IsString()) throw wrong(value, key, "a string");
  return value.As<Napi::String>().Utf8Value();
}

template <typename T>
T one_of(const Napi::Value& value, const std::string& key, const std::map<std::string, T>& choices) {
  const auto found = value.IsString() ? choices.find(value.As<Napi::String>().Utf8Value()) : choices.end();
  if (found != choices.end()) return found->second;
  std::string names;
  for (const auto& [name, choice] : choices) names += (names.empty() ? "" : ", ") + name;
  throw wrong(value, key, "one of " + names);
}

double number(const Napi::Object& object, const char* key, double least) {
  const auto value = object.Get(key);
  if (!value.IsNumber()) throw wrong(value, key, "a number");
  const auto result = value.As<Napi::Number>().DoubleValue();
  if (!(result >= least)) throw wrong(value, key, "a number of at least " + std::to_string(least));
  return result;
}

double rate(const Napi::Object& object, const char* key) {
  const auto result = number(object, key, 0);
  if (!(result < 1)) throw wrong(object, key, "a share below 1");
  return result;
}

const char* array_name(napi_typedarray_type type) {
  switch (type) {
    case napi_int32_array:
      return "an Int32Array";
    case napi_uint32_array:
      return "a Uint32Array";
    case napi_float32_array:
      return "a Float32Array";
    default:
      return "a Uint8Array";
  }
}

template <typename Element>
std::vector<Element> elements(const Napi::Value& value, const std::string& key, napi_typedarray_type type) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    throw wrong(value, key, array_name(type));
  }
  const auto array = value.As<Napi::TypedArrayOf<Element>>();
  return {array.Data(), array.Data() + array.ElementLength()};
}

template <typename Element>
std::vector<Element> typed_array(const Napi::Object& object, const char* key, napi_typedarray_type type) {
  return elements<Element>(object.Get(key), key, type);
}

EncoderConfig read_encoder(const Napi::Object& object) {
  EncoderConfig config{};
  config.vocab_size = integer(object, "vocabSize", 1);
  config.embedding_size = integer(object, "embeddingSize", 1);
  config.hidden_size = integer(object, "hiddenSize", 1);
  config.layers = integer(object, "layers", 1);
  config.heads = integer(object, "heads", 1);
  config.intermediate_size = integer(object, "intermediateSize", 1);
  config.max_positions = integer(object, "maxPositions", 1);
  config.type_vocab_size = integer(object, "typeVocabSize", 0);
  config.first_position = integer(object, "firstPosition", 0);
  const auto eps = object.Get("layerNormEps");
  if (!eps.IsNumber()) throw wrong(eps, "layerNormEps", "a number");
  config.layer_norm_eps = eps.As<Napi::Number>().DoubleValue();
  config.activation =
      one_of<Epilogue>(object.Get("activation"), "activation",
                       {{"gelu", Epilogue::gelu}, {"gelu_tanh", Epilogue::gelu_tanh}, {"relu", Epilogue::relu}});
  if (config.hidden_size % config.heads != 0) throw wrong(object, "heads", "a divisor of hiddenSize");
  return config;
}

HeadConfig read_head(const Napi::Object& object) {
  HeadConfig head{};
  head.pooling = one_of<Pooling>(
      object.Get("pooling"), "pooling",
      {{"first", Pooling::first}, {"mean", Pooling::mean}, {"max", Pooling::max}, {"sum", Pooling::sum}});
  if (!object.Get("dense").IsUndefined()) {
    const auto dense = object_of(object.Get("dense"), "dense");
    head.dense = text(dense, "name");
    head.activation = one_of<HeadActivation>(
        dense.Get("activation"), "activation",
        {{"tanh", HeadActivation::tanh}, {"gelu", HeadActivation::gelu}, {"relu", HeadActivation::relu}});
  }
  const auto output = object_of(object.Get("output"), "output");
  head.output = text(output, "name");
  head.bias = output.Get("bias").ToBoolean();
  head.labels = integer(output, "labels", 1);
  head.label = integer(object, "label", 0);
  if (head.label >= head.labels) throw wrong(object, "label", "less than labels");
  head.log_softmax = object.Get("logSoftmax").ToBoolean();
  return head;
}

TensorSource read_tensor(const Napi::Object& object) {
  TensorSource tensor;
  tensor.name = text(object, "name");
  tensor.dtype = one_of<Dtype>(object.Get("dtype"), "dtype",
                               {{"float64", Dtype::float64},
                                {"float32", Dtype::float32},
                                {"float16", Dtype::float16},
                                {"bfloat16", Dtype::bfloat16}});
  const auto shape = object.Get("shape");
  if (!shape.IsArray()) throw wrong(shape, tensor.name + " shape", "an array");
  const auto sizes = shape.As<Napi::Array>();
  for (uint32_t i = 0; i < sizes.Length(); ++i) {
    const auto size = sizes.Get(i);
    if (!size.IsNumber()) throw wrong(size, tensor.name + " shape", "integers");
    tensor.shape.push_back(size.As<Napi::Number>().Int64Value());
  }
  const auto data = object.Get("data");
  if (data.IsTypedArray()) {
    const auto bytes = data.As<Napi::Uint8Array>();
    const auto* start = reinterpret_cast<const std::byte*>(bytes.Data());
    tensor.bytes.assign(start, start + bytes.ByteLength());
  } else {
    const auto region = object_of(data, tensor.name + " data");
    tensor.file = text(region, "file");
    if (region.Has("version")) tensor.version = text(region, "version");
    tensor.offset = static_cast<uint64_t>(integer(region, "offset", 0));
    tensor.size = static_cast<uint64_t>(integer(region, "bytes", 0));
  }
  return tensor;
}

}  // namespace

PackedBatch read_packed_batch(const Napi::Value& value) {
  const auto object = object_of(value, "batch");
  return {typed_array<int32_t>(object, "inputIds", napi_int32_array),
          typed_array<uint8_t>(object, "tokenTypeIds", napi_uint8_array),
          typed_array<int32_t>(object, "cuSeqlens", napi_int32_array)};
}

TrainingBatch read_training_batch(const Napi::Value& value) {
  auto packed = read_packed_batch(value);
  return {std::move(packed), typed_array<uint32_t>(value.As<Napi::Object>(), "pairs", napi_uint32_array)};
}

TrainerOptions read_trainer_options(const Napi::Object& options) {
  TrainerOptions result;
  result.model = read_model_options(options);
  const auto dropout = object_of(options.Get("dropout"), "dropout");
  const std::pair<DropoutSite, const char*> sites[] = {{DropoutSite::embeddings, "embeddings"},
                                                       {DropoutSite::attention_weights, "attentionWeights"},
                                                       {DropoutSite::attention_output, "attentionOutput"},
                                                       {DropoutSite::layer_output, "layerOutput"},
                                                       {DropoutSite::head_input, "headInput"},
                                                       {DropoutSite::head_hidden, "headHidden"}};
  for (const auto& [site, key] : sites) result.dropout[site] = rate(dropout, key);
  result.dropout.seed = static_cast<uint32_t>(integer(options, "seed", 0));
  result.padding_id = integer(options, "paddingId", -1);
  return result;
}

AdamWStep read_adamw_step(const Napi::Value& value) {
  const auto object = object_of(value, "step");
  AdamWStep step;
  step.learning_rate = number(object, "learningRate", 0);
  step.beta1 = rate(object, "beta1");
  step.beta2 = rate(object, "beta2");
  step.eps = number(object, "eps", 0);
  step.weight_decay = number(object, "weightDecay", 0);
  step.step = integer(object, "step", 1);
  step.scale = number(object, "scale", 0);
  step.clip_value = number(object, "clipValue", 0);
  return step;
}

FlatArray read_flat_array(const Napi::Value& value) {
  return one_of<FlatArray>(value, "array",
                           {{"values", FlatArray::values},
                            {"gradients", FlatArray::gradients},
                            {"firstMoments", FlatArray::first_moments},
                            {"secondMoments", FlatArray::second_moments}});
}

std::vector<float> read_floats(const Napi::Value& value, const std::string& key) {
  return elements<float>(value, key, napi_float32_array);
}

int64_t read_integer(const Napi::Value& value, const std::string& key) {
  if (!value.IsNumber()) throw wrong(value, key, "an integer");
  return value.As<Napi::Number>().Int64Value();
}

ElementType read_precision(const Napi::Value& value) {
  return one_of<ElementType>(value, "precision",
                             {{"float32", ElementType::float32},
                              {"bfloat16", ElementType::bfloat16},
                              {"int16", ElementType::int16},
                              {"int8", ElementType::int8}});
}

namespace {

/// Every key may be missing.
DeviceOptions read_device(const Napi::Object& options) {
  DeviceOptions device;
  if (options.Has("device")) device.name = text(options, "device");
  device.tf32 = options.Get("tf32").ToBoolean();
  device.bfloat16_stream = options.Get("bfloat16Stream").ToBoolean();
  device.timed = options.Get("timed").ToBoolean();
  if (options.Has("memoryFraction")) device.memory_fraction = number(options, "memoryFraction", 0);
  if (options.Has("blockTokens")) device.block_tokens = integer(options, "blockTokens", 0);
  return device;
}

ArithmeticOptions read_arithmetic(const Napi::Object& options) {
  const auto float_type = [&](const char* key) -> std::optional<ElementType> {
    const auto value = options.Get(key);
    if (value.IsUndefined()) return std::nullopt;
    return one_of<ElementType>(value, key, {{"float32", ElementType::float32}, {"bfloat16", ElementType::bfloat16}});
  };
  const auto tiles = options.Get("tiles");
  return {float_type("attention"), float_type("between"), tiles.IsUndefined() || tiles.ToBoolean()};
}

}  // namespace

ModelOptions read_model_options(const Napi::Object& options) {
  return {read_encoder(object_of(options.Get("encoder"), "encoder")), read_head(object_of(options.Get("head"), "head")),
          read_precision(options.Get("precision")), read_device(options), read_arithmetic(options)};
}

std::vector<TensorSource> read_tensors(const Napi::Value& value) {
  if (!value.IsArray()) throw wrong(value, "tensors", "an array");
  const auto array = value.As<Napi::Array>();
  std::vector<TensorSource> tensors;
  tensors.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) tensors.push_back(read_tensor(object_of(array.Get(i), "tensor")));
  return tensors;
}

}  // namespace rank_distillm
