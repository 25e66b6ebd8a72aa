#include "model/weights.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/util/accumulate.h>

#include <cstring>
#include <sstream>

#include "core/error.h"

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

Linear Weights::linear(const std::vector<std::string>& names, int64_t out, int64_t in, at::ScalarType dtype) {
  // Float32 parts that were converted or joined on the way to a packed layer are gone when this returns.
  const int64_t before = allocated_bytes_;
  auto weight = joined(names, ".weight", {out, in});
  auto bias = joined(names, ".bias", {out});
  if (dtype == at::kFloat) {
    if (names.size() > 1) {
      own(weight);
      own(bias);
    }
    return float32_linear(std::move(weight), std::move(bias));
  }
  auto layer = packed_linear(weight, std::move(bias));
  allocated_bytes_ = before;
  own(layer.weight);
  own(layer.bias);
  return layer;
}

at::Tensor Weights::own(at::Tensor tensor) {
  allocated_bytes_ += static_cast<int64_t>(tensor.nbytes());
  return tensor;
}

}  // namespace rank_distillm
