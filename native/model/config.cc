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

ElementType scoring_precision(const EncoderConfig& encoder, ElementType asked) {
  if (asked == ElementType::bfloat16) return can_compute_bf16(encoder) ? asked : ElementType::int16;
  if (asked == ElementType::int8) return cpu_has_int8() ? asked : ElementType::int16;
  return asked;
}

ElementType training_precision(const EncoderConfig& encoder, ElementType asked) {
  return asked == ElementType::bfloat16 && can_compute_bf16(encoder) ? asked : ElementType::float32;
}

}  // namespace rank_distillm
