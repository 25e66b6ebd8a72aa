#include "model/config.h"

#include "core/cpu.h"

namespace rank_distillm {

ElementType product_type(Precision precision) {
  switch (precision) {
    case Precision::bfloat16:
      return ElementType::bfloat16;
    case Precision::int16:
      return ElementType::int16;
    case Precision::int8:
      return ElementType::int8;
    case Precision::float32:
      break;
  }
  return ElementType::float32;
}

TileEnd slope_of(TileEnd activation) {
  switch (activation) {
    case TileEnd::gelu:
      return TileEnd::gelu_slope;
    case TileEnd::gelu_tanh:
      return TileEnd::gelu_tanh_slope;
    default:
      return TileEnd::relu_slope;
  }
}

namespace {

bool can_compute_bf16(const EncoderConfig& encoder) {
  return cpu_has_bf16() && encoder.hidden_size / encoder.heads % 2 == 0;
}

}  // namespace

Precision scoring_precision(const EncoderConfig& encoder, Precision asked) {
  if (asked == Precision::bfloat16) return can_compute_bf16(encoder) ? asked : Precision::int16;
  if (asked == Precision::int8) return kernels().gemm_int8 != nullptr ? asked : Precision::int16;
  return asked;
}

Precision training_precision(const EncoderConfig& encoder, Precision asked) {
  return asked == Precision::bfloat16 && can_compute_bf16(encoder) ? asked : Precision::float32;
}

}  // namespace rank_distillm
