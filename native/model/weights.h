#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "model/linear.h"

namespace rank_distillm {

/// A tensor as TypeScript passes it: bytes in memory, or a region of a file to map.
struct TensorSource {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // used when `file` is empty
  std::string file;
  uint64_t offset = 0;
  uint64_t size = 0;  // bytes
};

/// Returns a model's tensors by name in the requested dtype. A tensor already in that dtype stays in its mapped file;
/// any other is converted once. Counts the bytes it allocates.
class Weights {
 public:
  explicit Weights(std::vector<TensorSource> sources);

  /// Throws `bad_input` with the name if the tensor is missing or has another shape.
  at::Tensor take(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype);

  /// Dense layers [out, in] with `name.weight` and `name.bias` as one layer with concatenated outputs (a fused QKV),
  /// packed for the kernels.
  Linear linear(const std::vector<std::string>& names, int64_t out, int64_t in, ElementType type);

  /// A float32 layer that may have no bias; with `label` that output alone.
  Linear output_layer(const std::string& name, int64_t out, int64_t in, bool bias, std::optional<int64_t> label = {});

  int64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  at::Tensor view(const TensorSource& source);
  at::Tensor own(at::Tensor tensor);
  at::Tensor joined(const std::vector<std::string>& names, const std::string& suffix, at::IntArrayRef shape);
  Linear packed(const at::Tensor& weight, const at::Tensor& bias, ElementType type);

  std::unordered_map<std::string, TensorSource> sources_;
  std::unordered_map<std::string, std::shared_ptr<const MappedFile>> files_;
  int64_t allocated_bytes_ = 0;
};

}  // namespace rank_distillm
