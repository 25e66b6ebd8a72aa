#include "model/weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>

#include <cstring>
#include <sstream>

#include "core/error.h"
#include "core/parallel.h"

namespace rank_distillm {
namespace {

std::string words(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

}  // namespace

Weights::Weights(std::vector<TensorSource> sources) {
  for (auto& source : sources) {
    auto name = source.name;
    sources_.emplace(std::move(name), std::move(source));
  }
}

at::Tensor Weights::view(const TensorSource& source) {
  const auto options = at::TensorOptions().dtype(source.dtype);
  const auto elements = c10::multiply_integers(source.shape);
  const auto expected = static_cast<uint64_t>(elements) * c10::elementSize(source.dtype);
  const auto given = source.file.empty() ? source.bytes.size() : source.size;
  if (expected != given) {
    throw bad_input("tensor " + source.name + " has " + std::to_string(given) + " bytes, its shape " +
                    words(source.shape) + " needs " + std::to_string(expected));
  }
  const std::byte* start = source.bytes.data();
  std::shared_ptr<const MappedFile> mapped;
  if (!source.file.empty()) {
    auto& file = files_[source.file];
    if (!file) file = MappedFile::open(source.file);
    if (source.offset > file->size() || source.size > file->size() - source.offset) {
      throw bad_input(source.file + ": tensor " + source.name + " lies past the end of the file");
    }
    mapped = file;
    start = file->data() + source.offset;
  }
  if (mapped && reinterpret_cast<uintptr_t>(start) % c10::elementSize(source.dtype) == 0) {
    return at::from_blob(const_cast<std::byte*>(start), source.shape, [mapped](void*) {}, options);
  }
  auto copy = at::empty(source.shape, options);
  std::memcpy(copy.data_ptr(), start, expected);
  return own(copy);
}

at::Tensor Weights::take(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype) {
  const auto found = sources_.find(name);
  if (found == sources_.end()) throw bad_input("tensor " + name + " is missing");
  if (shape != at::IntArrayRef(found->second.shape)) {
    throw bad_input("tensor " + name + " has shape " + words(found->second.shape) + ", the model needs " +
                    words(shape));
  }
  const auto stored = view(found->second);
  return stored.scalar_type() == dtype ? stored : own(stored.to(dtype));
}

at::Tensor Weights::joined(const std::vector<std::string>& names, const std::string& suffix, at::IntArrayRef shape) {
  std::vector<at::Tensor> parts;
  parts.reserve(names.size());
  for (const auto& name : names) parts.push_back(take(name + suffix, shape, at::kFloat));
  return parts.size() == 1 ? parts.front() : at::cat(parts);
}

Linear Weights::packed(const at::Tensor& weight, const at::Tensor& bias, ElementType type) {
  const auto values = weight.contiguous();
  const auto* biases = bias.defined() ? bias.contiguous().const_data_ptr<float>() : nullptr;
  auto layer = Linear(kernels(), type, values.const_data_ptr<float>(), biases, values.size(0), values.size(1),
                      [](int64_t count, const auto& body) { parallel_for(count, 1, body); });
  allocated_bytes_ += layer.bytes();
  return layer;
}

Linear Weights::linear(const std::vector<std::string>& names, int64_t out, int64_t in, ElementType type) {
  // Float32 parts that are converted or concatenated to pack a layer do not count: they are freed on return.
  const int64_t before = allocated_bytes_;
  const auto weight = joined(names, ".weight", {out, in});
  const auto bias = joined(names, ".bias", {out});
  allocated_bytes_ = before;
  return packed(weight, bias, type);
}

Linear Weights::output_layer(const std::string& name, int64_t out, int64_t in, bool bias,
                             std::optional<int64_t> label) {
  const auto rows = [&](const at::Tensor& all) { return label ? all.narrow(0, *label, 1) : all; };
  return packed(rows(take(name + ".weight", {out, in}, at::kFloat)),
                bias ? rows(take(name + ".bias", {out}, at::kFloat)) : at::Tensor(), ElementType::float32);
}

at::Tensor Weights::own(at::Tensor tensor) {
  allocated_bytes_ += static_cast<int64_t>(tensor.nbytes());
  return tensor;
}

}  // namespace rank_distillm
