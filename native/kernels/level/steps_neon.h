#pragma once

// Steps of the innermost product on arm64. A NEON multiplication takes one operand from a lane, so four steps share a
// load of 16 bytes of each row.

#include "kernels/level/vector.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// 8 rows take 24 of the 32 registers; a step of the panel takes up to 4.
constexpr int rows_at_once = 8;
/// Rows of int8 are signed: SDOT takes no unsigned inputs.
constexpr int32_t byte_offset = 128;

struct Float32 {
  using Sum = F;
  using Number = float;
  static constexpr int group = 1;
  static constexpr bool has_zero_point = false;
  struct Step {
    float32x4_t low, high;
  };
  RD_INLINE Step load_step(const char* panel) {
    return {load_as<float32x4_t>(panel), load_as<float32x4_t>(panel + 16)};
  }
  /// Multiplies the panel's step with 4 bytes of `inputs`.
  template <int lane>
  RD_INLINE void add(Sum& low, Sum& high, I inputs, const Step& step) {
    const auto factors = float32x4_t(inputs);
    low = F(vfmaq_laneq_f32(float32x4_t(low), step.low, factors, lane));
    high = F(vfmaq_laneq_f32(float32x4_t(high), step.high, factors, lane));
  }
};

/// Without BFDOT the same numbers are multiplied as float32: slower than float32 products, but every machine can test
/// the roundings.
struct BFloat16 {
  using Sum = F;
  using Number = uint16_t;
  static constexpr int group = 2;
  static constexpr bool has_zero_point = false;
#if defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  struct Step {
    bfloat16x8_t low, high;
  };
  RD_INLINE Step load_step(const char* panel) {
    return {load_as<bfloat16x8_t>(panel), load_as<bfloat16x8_t>(panel + 16)};
  }
  template <int lane>
  RD_INLINE void add(Sum& low, Sum& high, I inputs, const Step& step) {
    const auto factors = vreinterpretq_bf16_s32(int32x4_t(inputs));
    low = F(vbfdotq_laneq_f32(float32x4_t(low), step.low, factors, lane));
    high = F(vbfdotq_laneq_f32(float32x4_t(high), step.high, factors, lane));
  }
#else
  struct Step {
    Float32::Step even, odd;
  };
  RD_INLINE I upper(I pairs) { return pairs & static_cast<int32_t>(0xffff0000); }
  RD_INLINE Step load_step(const char* panel) {
    const I low = load_as<I>(panel), high = load_as<I>(panel + 16);
    return {{float32x4_t(low << 16), float32x4_t(high << 16)}, {float32x4_t(upper(low)), float32x4_t(upper(high))}};
  }
  template <int lane>
  RD_INLINE void add(Sum& low, Sum& high, I inputs, const Step& step) {
    Float32::add<lane>(low, high, inputs << 16, step.even);
    Float32::add<lane>(low, high, upper(inputs), step.odd);
  }
#endif
};

struct Int16 {
  using Sum = I;
  using Number = int16_t;
  static constexpr int group = 2;
  static constexpr bool has_zero_point = false;
  /// The first and the second numbers of all outputs.
  struct Step {
    int16x8_t even, odd;
  };
  RD_INLINE Step load_step(const char* panel) {
    const auto low = load_as<int16x8_t>(panel), high = load_as<int16x8_t>(panel + 16);
    return {vuzp1q_s16(low, high), vuzp2q_s16(low, high)};
  }
  template <int lane>
  RD_INLINE void add(Sum& low, Sum& high, I inputs, const Step& step) {
    const auto factors = int16x8_t(inputs);
    auto first = int32x4_t(low), second = int32x4_t(high);
    first = vmlal_laneq_s16(first, vget_low_s16(step.even), factors, 2 * lane);
    second = vmlal_high_laneq_s16(second, step.even, factors, 2 * lane);
    low = I(vmlal_laneq_s16(first, vget_low_s16(step.odd), factors, 2 * lane + 1));
    high = I(vmlal_high_laneq_s16(second, step.odd, factors, 2 * lane + 1));
  }
};

/// Signed inputs and weights.
struct Int8 {
  using Sum = I;
  using Number = int8_t;
  static constexpr int group = 4;
  static constexpr bool has_zero_point = true;  // see RowScale
  struct Step {
    int8x16_t low, high;
  };
  RD_INLINE Step load_step(const char* panel) { return {load_as<int8x16_t>(panel), load_as<int8x16_t>(panel + 16)}; }
  template <int lane>
  RD_INLINE void add(Sum& low, Sum& high, I inputs, const Step& step) {
#if defined(__ARM_FEATURE_DOTPROD)
    const auto factors = int8x16_t(inputs);
    low = I(vdotq_laneq_s32(int32x4_t(low), step.low, factors, lane));
    high = I(vdotq_laneq_s32(int32x4_t(high), step.high, factors, lane));
#else
    const auto factors = vreinterpretq_s8_s32(vdupq_laneq_s32(int32x4_t(inputs), lane));
    low += sums_of_groups(step.low, factors);
    high += sums_of_groups(step.high, factors);
#endif
  }

 private:
  /// Weights are at least -127, so a sum of two products fits in 16 bits.
  RD_INLINE I sums_of_groups(int8x16_t a, int8x16_t b) {
    const int16x8_t pairs = vpaddq_s16(vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b));
    return I(vpaddlq_s16(pairs));
  }
};

constexpr int64_t steps_a_line = 4;

/// low, high += `steps` products of rows with a panel's two vectors. Nothing is fetched ahead: no hardware has measured
/// it.
template <class Dot, int rows, class Sum>
RD_INLINE void add_products(const char* input, int64_t stride, const char* panel, int64_t steps, Sum (&low)[rows],
                            Sum (&high)[rows], Lines /*ahead*/) {
  constexpr int64_t together = 4;
  I inputs[rows];
  for (; steps >= together; steps -= together, input += 4 * together, panel += 4 * panel_width * together) {
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
      inputs[r] = load_as<I>(input + r * stride);
      asm("" : "+w"(inputs[r]));  // GCC would load the lanes one by one, through general registers
    });
    unroll<together>([&](auto lane) __attribute__((always_inline)) {
      const auto step = Dot::load_step(panel + 4 * panel_width * lane);
      unroll<rows>([&](auto r)
                       __attribute__((always_inline)) { Dot::template add<lane>(low[r], high[r], inputs[r], step); });
    });
  }
  for (; steps > 0; --steps, input += 4, panel += 4 * panel_width) {
    const auto step = Dot::load_step(panel);
    unroll<rows>([&](auto r) __attribute__((always_inline)) {
      Dot::template add<0>(low[r], high[r], broadcast(load_as<int32_t>(input + r * stride)), step);
    });
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
