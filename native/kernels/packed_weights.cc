#include "kernels/packed_weights.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <type_traits>
#include <vector>

#include "kernels/round_to_bf16.h"

namespace rank_distillm {
namespace {

/// Writes outputs into a panel: number i of an output goes to group i / group, position i % group. Takes a few numbers
/// of all outputs at a time, so that each cache line of the panel is filled while it is cached.
template <typename Number>
void fill_panel(char* panel, const Number* const* outputs, int64_t count, int64_t in, int64_t width) {
  constexpr int64_t group = 4 / sizeof(Number), together = 64;
  for (int64_t first = 0; first < in; first += together) {
    const int64_t last = std::min(in, first + together);
    for (int64_t o = 0; o < count; ++o) {
      auto* to = reinterpret_cast<Number*>(panel) + o * group;
      for (int64_t i = first; i < last; ++i) to[i / group * width * group + i % group] = outputs[o][i];
    }
  }
}

void round_all_to_bf16(const float* weights, int64_t in, uint16_t* numbers) {
  for (int64_t i = 0; i < in; ++i) numbers[i] = round_to_bf16(weights[i]);
}

/// Rounds one output's weights to multiples of the scale that it returns.
float round_to_int16(const float* weights, int64_t in, int16_t* numbers) {
  double squares = 0;
  float greatest = 0;
  for (int64_t i = 0; i < in; ++i) {
    squares += static_cast<double>(weights[i]) * weights[i];
    greatest = std::max(greatest, std::fabs(weights[i]));
  }
  // The norm keeps a NaN.
  const auto by_norm = static_cast<float>(std::sqrt(squares)) / int16_norm(in);
  const float by_greatest = greatest / max_int16, scale = by_greatest > by_norm ? by_greatest : by_norm;
  const float inverse = scale > 0 ? 1 / scale : 0;
  for (int64_t i = 0; i < in; ++i) numbers[i] = static_cast<int16_t>(std::lrintf(weights[i] * inverse));
  return scale;
}

/// The same for rotated weights.
float round_to_int8(const Kernels& kernels, const float* exact, int64_t in, int8_t* numbers) {
  const auto weights = std::make_unique_for_overwrite<float[]>(in);
  kernels.rotate({in, exact, weights.get()});
  float greatest = 0, zero_or_nan = 0;
  for (int64_t i = 0; i < in; ++i) {
    greatest = std::max(greatest, std::fabs(weights[i]));
    zero_or_nan += weights[i] * 0;
  }
  const float inverse = greatest > 0 ? 127 / greatest : 0;
  for (int64_t i = 0; i < in; ++i) numbers[i] = static_cast<int8_t>(std::lrintf(weights[i] * inverse));
  // Integers cannot represent a NaN, so the scale does.
  return greatest / 127 / static_cast<float>(rotation_factor(in)) + zero_or_nan;
}

/// Packs panel after panel; `convert(output, weights, numbers)` rounds an output's weights.
template <typename Number, typename Rows, typename Convert>
void pack(const Rows& rows, int64_t out, int64_t in, int64_t width, int64_t panel_bytes, char* panels,
          const ParallelLoop& parallel, const Convert& convert) {
  parallel((out + width - 1) / width, [&](int64_t begin, int64_t end) {
    std::vector<Number> converted(std::is_same_v<Number, float> ? 0 : width * in);
    std::vector<const Number*> outputs(width);
    std::vector<float> scratch;
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p * width, count = std::min(out - first, width);
      const float* exact = rows(first, count, scratch);
      for (int64_t o = 0; o < count; ++o) {
        const float* weights = exact + o * in;
        if constexpr (std::is_same_v<Number, float>) {
          outputs[o] = weights;
        } else {
          convert(first + o, weights, converted.data() + o * in);
          outputs[o] = converted.data() + o * in;
        }
      }
      fill_panel(panels + p * panel_bytes, outputs.data(), count, in, width);
    }
  });
}

}  // namespace

int64_t panel_steps(const Kernels& kernels, int64_t numbers, ElementType type) {
  const int64_t group = 4 / element_bytes(type);
  return round_up((numbers + group - 1) / group, kernels.step_multiple);
}

int64_t panel_bytes(const Kernels& kernels, int64_t outputs, int64_t steps) {
  return round_up(outputs, kernels.panel_width) * steps * 4;
}

PackedWeights::PackedWeights(const Kernels& kernels, ElementType type, const float* weight, const float* bias,
                             int64_t out, int64_t in, const ParallelLoop& parallel)
    : PackedWeights(kernels, type, out, in) {
  fill(weight, bias, parallel);
}

PackedWeights::PackedWeights(const Kernels& kernels, ElementType type, const WeightRows& weight, const float* bias,
                             int64_t out, int64_t in, const ParallelLoop& parallel)
    : PackedWeights(kernels, type, out, in) {
  const auto rows = [&](int64_t first, int64_t count, std::vector<float>& scratch) {
    scratch.resize(count * in);
    weight(first, count, scratch.data());
    return scratch.data();
  };
  fill_from(rows, bias, parallel);
}

PackedWeights::PackedWeights(const Kernels& kernels, ElementType type, int64_t out, int64_t in)
    : kernels_(&kernels), type_(type) {
  const int64_t columns = round_up(out, kernels.panel_width), steps = panel_steps(kernels, in, type);
  panels_ = AlignedBuffer(panel_bytes(kernels, out, steps), Pages::ordinary);
  rows_ = AlignedBuffer(columns * 4 * (are_integers(type) ? 3 : 1));
  const auto* all_biases = rows_.as<float>();
  view_ = {panels_.data(),
           in,
           out,
           steps,
           all_biases,
           all_biases + columns,
           reinterpret_cast<const int32_t*>(all_biases + 2 * columns)};
}

void PackedWeights::fill(const float* weight, const float* bias, const ParallelLoop& parallel) {
  const int64_t in = view_.in;
  fill_from([=](int64_t first, int64_t, std::vector<float>&) { return weight + first * in; }, bias, parallel);
}

template <typename Rows>
void PackedWeights::fill_from(const Rows& rows, const float* bias, const ParallelLoop& parallel) {
  const int64_t in = view_.in, out = view_.out, width = kernels_->panel_width;
  const int64_t columns = round_up(out, width), bytes_each = view_.steps * width * 4;
  auto* all_biases = rows_.as<float>();
  auto* scales = all_biases + columns;
  auto* weight_sums = reinterpret_cast<int32_t*>(scales + columns);
  if (bias != nullptr) std::copy_n(bias, out, all_biases);
  const auto pack_as = [&]<typename Number>(Number, const auto& convert) {
    pack<Number>(rows, out, in, width, bytes_each, panels_.data(), parallel, convert);
  };
  switch (type_) {
    case ElementType::float32:
      pack_as(float{}, nullptr);
      break;
    case ElementType::bfloat16:
      pack_as(uint16_t{},
              [in](int64_t, const float* weights, uint16_t* numbers) { round_all_to_bf16(weights, in, numbers); });
      break;
    case ElementType::int16:
      pack_as(int16_t{}, [&](int64_t o, const float* weights, int16_t* numbers) {
        scales[o] = round_to_int16(weights, in, numbers);
      });
      break;
    case ElementType::int8:
      pack_as(int8_t{}, [&](int64_t o, const float* weights, int8_t* numbers) {
        scales[o] = round_to_int8(*kernels_, weights, in, numbers);
        weight_sums[o] = std::accumulate(numbers, numbers + in, 0);
      });
      break;
  }
}

}  // namespace rank_distillm
