#include "train/weight_gradient.h"

#include <algorithm>

#include "kernels/round_to_bf16.h"
#include "model/linear.h"

namespace rank_distillm {
namespace {

/// The size of a product's chunk of rows.
constexpr int64_t outputs_of_a_task = 192;

/// Independent sums, so that the compiler can vectorize them.
template <typename Number, typename Widen>
float sum_of(const Number* numbers, int64_t count, const Widen& widen) {
  constexpr int64_t lanes = 16;
  float sums[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int64_t lane = 0; lane < lanes; ++lane) sums[lane] += widen(numbers[i + lane]);
  }
  float total = 0;
  for (; i < count; ++i) total += widen(numbers[i]);
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace

WeightGradient::WeightGradient(const PackedLinear& layer, int64_t rows, Arena& arena)
    : layer_(&layer), steps_(panel_steps(kernels(), rows, layer.type())) {
  const int64_t bytes = element_bytes(layer.type());
  numbers_ = steps_ * 4 / bytes;
  const int64_t stride = row_stride(numbers_, bytes);
  transposed_ = {arena.bytes(layer.out() * stride), stride};
  panels_ = arena.bytes(panel_bytes(kernels(), layer.in(), steps_));
}

void WeightGradient::place(const Rows& gradient, const Rows& input, Epilogue activation, int64_t rows, int64_t first,
                           int64_t end_row) const {
  const int64_t zeros = std::min(end_row, numbers_) - first - rows;
  const auto type = layer_->type();
  kernels().transpose({rows, layer_->out(), gradient, type, transposed_, first, zeros});
  kernels().pack_rows({rows, layer_->in(), input, type, activation, type, panels_, steps_, first, zeros});
}

int64_t WeightGradient::tasks() const { return (layer_->out() + outputs_of_a_task - 1) / outputs_of_a_task; }

void WeightGradient::add(int64_t task, Counters& counters) const {
  const int64_t first = task * outputs_of_a_task, outputs = std::min(outputs_of_a_task, layer_->out() - first);
  const int64_t in = layer_->in();
  const Rows transposed = {transposed_.row(first), transposed_.stride};
  const Rows gradient = {reinterpret_cast<char*>(layer_->weight_gradient() + first * in), 4 * in};
  multiply(
      {outputs, transposed, nullptr, {panels_, numbers_, in, steps_}, Epilogue::add, gradient, ElementType::float32},
      layer_->type(), counters);
  for (int64_t o = 0; layer_->bias_gradient() != nullptr && o < outputs; ++o) {
    const char* row = transposed.row(o);
    layer_->bias_gradient()[first + o] +=
        layer_->type() == ElementType::bfloat16
            ? sum_of(reinterpret_cast<const uint16_t*>(row), numbers_, widen_bf16)
            : sum_of(reinterpret_cast<const float*>(row), numbers_, [](float value) { return value; });
  }
}

}  // namespace rank_distillm
