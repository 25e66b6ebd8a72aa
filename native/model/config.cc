#include "model/config.h"

#include "core/cpu.h"

namespace rank_distillm {

ElementType product_type(Precision precision) {
  switch (precision) {
    case Precision::bfloat16:
      return ElementType::bfloat16;
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

Precision available_precision(const EncoderConfig& encoder, Precision asked) {
  if (asked != Precision::bfloat16) return asked;
  const bool can = cpu_has_bf16() && encoder.hidden_size / encoder.heads % 2 == 0;
  return can ? Precision::bfloat16 : Precision::float32;
}

}  // namespace rank_distillm
