#include "model/config.h"

#include "core/cpu.h"

namespace rank_distillm {

Epilogue derivative_epilogue(Epilogue activation) {
  switch (activation) {
    case Epilogue::gelu:
      return Epilogue::gelu_slope;
    case Epilogue::gelu_tanh:
      return Epilogue::gelu_tanh_slope;
    default:
      return Epilogue::relu_slope;
  }
}

namespace {

bool can_compute_bf16(const EncoderConfig& encoder) {
  return cpu_has_bf16() && encoder.hidden_size / encoder.heads % 2 == 0;
}

}  // namespace

Arithmetic scoring_arithmetic(const ModelOptions& options) {
  const bool bf16 = can_compute_bf16(options.encoder);
  auto products = options.precision;
  if ((products == ElementType::bfloat16 && !bf16) || (products == ElementType::int8 && !cpu_has_int8())) {
    products = ElementType::int16;
  }
  if (products == ElementType::float32) return {};
  const bool usually_bf16 = bf16 && products != ElementType::int16;
  const auto usual = usually_bf16 ? ElementType::bfloat16 : ElementType::float32;
  const auto allowed = [&](std::optional<ElementType> asked) {
    return bf16 && asked.value_or(usual) == ElementType::bfloat16 ? ElementType::bfloat16 : ElementType::float32;
  };
  // bf16 products read what the activation writes
  const auto between = products == ElementType::bfloat16 ? products : allowed(options.arithmetic.between);
  return {products, allowed(options.arithmetic.attention), between, options.arithmetic.tiles};
}

ElementType training_precision(const EncoderConfig& encoder, ElementType asked) {
  return asked == ElementType::bfloat16 && can_compute_bf16(encoder) ? asked : ElementType::float32;
}

}  // namespace rank_distillm
