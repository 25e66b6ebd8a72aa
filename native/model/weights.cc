#include "model/weights.h"

#include <ATen/ops/empty.h>
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <c10/util/accumulate.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/parallel.h"

namespace rank_distillm {
namespace {

/// Numbers that a thread reads at a time: they stay in its caches.
constexpr int64_t together = 65536;

std::string words(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

/// `from` may be at any address.
template <typename Number>
void widen(const std::byte* from, int64_t count, float* to) {
  for (int64_t i = 0; i < count; ++i) {
    Number number;
    std::memcpy(&number, from + i * static_cast<int64_t>(sizeof(Number)), sizeof(Number));
    to[i] = static_cast<float>(number);
  }
}

void to_float32(at::ScalarType dtype, const std::byte* from, int64_t count, float* to) {
  switch (dtype) {
    case at::kDouble:
      return widen<double>(from, count, to);
    case at::kHalf:
      return widen<c10::Half>(from, count, to);
    case at::kBFloat16:
      return widen<c10::BFloat16>(from, count, to);
    default:
      std::memcpy(to, from, count * sizeof(float));
  }
}

}  // namespace

Weights::Weights(std::vector<TensorSource> sources) {
  for (auto& source : sources) {
    auto name = source.name;
    sources_.emplace(std::move(name), std::move(source));
  }
}

void Weights::Stored::read(int64_t first, int64_t count, float* to) const {
  const auto bytes_each = static_cast<int64_t>(c10::elementSize(source->dtype));
  if (!file) return to_float32(source->dtype, source->bytes.data() + first * bytes_each, count, to);
  const auto offset = source->offset + static_cast<uint64_t>(first * bytes_each);
  if (source->dtype == at::kFloat) return file->read(offset, count * bytes_each, to);
  std::vector<std::byte> stored(std::min(count, together) * bytes_each);
  for (int64_t done = 0; done < count; done += together) {
    const int64_t part = std::min(count - done, together);
    file->read(offset + static_cast<uint64_t>(done * bytes_each), part * bytes_each, stored.data());
    to_float32(source->dtype, stored.data(), part, to + done);
  }
}

Weights::Stored Weights::find(const std::string& name, at::IntArrayRef shape) {
  const auto found = sources_.find(name);
  if (found == sources_.end()) throw bad_input("tensor " + name + " is missing");
  const auto& source = found->second;
  if (shape != at::IntArrayRef(source.shape)) {
    throw bad_input("tensor " + name + " has shape " + words(source.shape) + ", the model needs " + words(shape));
  }
  const auto expected = static_cast<uint64_t>(c10::multiply_integers(shape)) * c10::elementSize(source.dtype);
  const auto given = source.file.empty() ? source.bytes.size() : source.size;
  if (expected != given) {
    throw bad_input("tensor " + name + " has " + std::to_string(given) + " bytes, its shape " + words(shape) +
                    " needs " + std::to_string(expected));
  }
  if (source.file.empty()) return {&source, nullptr};
  auto& file = files_[source.file];
  if (!file) file = ModelFile::open(source.file, source.version);
  return {&source, file};
}

at::Tensor Weights::take(const std::string& name, at::IntArrayRef shape) {
  auto tensor = at::empty(shape, at::kFloat);
  copy(name, shape, tensor.mutable_data_ptr<float>());
  allocated_bytes_ += static_cast<int64_t>(tensor.nbytes());
  return tensor;
}

void Weights::copy(const std::string& name, at::IntArrayRef shape, float* to) {
  const auto stored = find(name, shape);
  const int64_t count = c10::multiply_integers(shape);
  parallel_for((count + together - 1) / together, 1, [&](int64_t begin, int64_t end) {
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
  auto layer = Linear(kernels(), type, rows, bias.data(), static_cast<int64_t>(bias.size()), in,
                      [](int64_t count, const auto& body) { parallel_for(count, 1, body); });
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
