#include "model/weights.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "kernels/round_to_bf16.h"

namespace rank_distillm {
namespace {

/// Numbers that a thread reads at a time: they stay in its caches.
constexpr int64_t together = 65536;

float widen_float16(uint16_t half) {
  const uint32_t magnitude = half & 0x7fff, sign = static_cast<uint32_t>(half & 0x8000) << 16;
  // A normal number's exponent has the bias 15 instead of 127. A subnormal number is added to 1/2, and 1/2 subtracted.
  const bool subnormal = magnitude < 0x0400;
  uint32_t bits = subnormal ? magnitude | 126U << 23 : (magnitude << 13) + (0xE0U << 23);
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  value = subnormal ? value - 0.5F : value * 0x1p-112F;
  std::memcpy(&bits, &value, sizeof(bits));
  bits |= sign;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// `from` may be at any address.
template <typename Number, typename Widen>
void widen_all(const std::byte* from, int64_t count, float* to, const Widen& widen_number) {
  for (int64_t i = 0; i < count; ++i) {
    Number number;
    std::memcpy(&number, from + i * static_cast<int64_t>(sizeof(Number)), sizeof(Number));
    to[i] = widen_number(number);
  }
}

void to_float32(Dtype dtype, const std::byte* from, int64_t count, float* to) {
  switch (dtype) {
    case Dtype::float32:
      std::memcpy(to, from, count * sizeof(float));
      break;
    case Dtype::float64:
      widen_all<double>(from, count, to, [](double number) { return static_cast<float>(number); });
      break;
    case Dtype::float16:
      widen_all<uint16_t>(from, count, to, widen_float16);
      break;
    case Dtype::bfloat16:
      widen_all<uint16_t>(from, count, to, widen_bf16);
      break;
  }
}

}  // namespace

Weights::Weights(std::vector<TensorSource> sources, ParallelLoop parallel, const Kernels& level)
    : parallel_(std::move(parallel)), level_(level) {
  for (auto& source : sources) {
    auto name = source.name;
    sources_.emplace(std::move(name), std::move(source));
  }
}

void Weights::Stored::read(int64_t first, int64_t count, float* to) const {
  const auto bytes_each = dtype_bytes(source->dtype);
  if (!file) return to_float32(source->dtype, source->bytes.data() + first * bytes_each, count, to);
  const auto offset = source->offset + static_cast<uint64_t>(first * bytes_each);
  if (source->dtype == Dtype::float32) return file->read(offset, count * bytes_each, to);
  std::vector<std::byte> stored(std::min(count, together) * bytes_each);
  for (int64_t done = 0; done < count; done += together) {
    const int64_t part = std::min(count - done, together);
    file->read(offset + static_cast<uint64_t>(done * bytes_each), part * bytes_each, stored.data());
    to_float32(source->dtype, stored.data(), part, to + done);
  }
}

Weights::Stored Weights::find(const std::string& name, const Shape& shape) {
  const auto found = sources_.find(name);
  if (found == sources_.end()) throw bad_input("tensor " + name + " is missing");
  const auto& source = found->second;
  if (shape != source.shape) {
    throw bad_input("tensor " + name + " has shape " + in_words(source.shape) + ", the model needs " + in_words(shape));
  }
  const auto expected = static_cast<uint64_t>(count_of(shape) * dtype_bytes(source.dtype));
  const auto given = source.file.empty() ? source.bytes.size() : source.size;
  if (expected != given) {
    throw bad_input("tensor " + name + " has " + std::to_string(given) + " bytes, its shape " + in_words(shape) +
                    " needs " + std::to_string(expected));
  }
  if (source.file.empty()) return {&source, nullptr};
  auto& file = files_[source.file];
  if (!file) file = ModelFile::open(source.file, source.version);
  return {&source, file};
}

Tensor Weights::take(const std::string& name, const Shape& shape) {
  Tensor tensor(shape);
  copy(name, shape, tensor.data());
  allocated_bytes_ += tensor.bytes();
  return tensor;
}

void Weights::copy(const std::string& name, const Shape& shape, float* to) {
  const auto stored = find(name, shape);
  const int64_t count = count_of(shape);
  parallel_((count + together - 1) / together, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * together;
      stored.read(first, std::min(together, count - first), to + first);
    }
  });
}

/// Rows `first` … of layers [rows_each, in] that follow each other, as many as there are biases.
Linear Weights::packed(const std::vector<Stored>& weights, const std::vector<float>& bias, int64_t first,
                       int64_t rows_each, int64_t in, ElementType type) {
  const auto rows = [&](int64_t begin, int64_t count, float* to) {
    for (int64_t row = first + begin, end = row + count; row < end;) {
      const int64_t within = row % rows_each, part = std::min(end - row, rows_each - within);
      weights[row / rows_each].read(within * in, part * in, to);
      row += part;
      to += part * in;
    }
  };
  auto layer = Linear(level_, type, rows, bias.data(), static_cast<int64_t>(bias.size()), in, parallel_);
  allocated_bytes_ += layer.bytes();
  return layer;
}

Linear Weights::linear(const std::vector<std::string>& names, int64_t out, int64_t in, ElementType type) {
  std::vector<Stored> weights;
  std::vector<float> bias(names.size() * out);
  for (size_t i = 0; i < names.size(); ++i) {
    weights.push_back(find(names[i] + ".weight", {out, in}));
    copy(names[i] + ".bias", {out}, bias.data() + static_cast<int64_t>(i) * out);
  }
  return packed(weights, bias, 0, out, in, type);
}

Linear Weights::output_layer(const std::string& name, int64_t out, int64_t in, bool has_bias,
                             std::optional<int64_t> label) {
  std::vector<float> bias(out);
  if (has_bias) copy(name + ".bias", {out}, bias.data());
  if (label) bias = {bias[*label]};
  return packed({find(name + ".weight", {out, in})}, bias, label.value_or(0), out, in, ElementType::float32);
}

void Weights::check_unchanged() const {
  for (const auto& [path, file] : files_) file->check_unchanged();
}

}  // namespace rank_distillm
