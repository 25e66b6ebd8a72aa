#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/mapped_file.h"
#include "core/precision.h"

namespace rank_distillm {

/// A tensor as TypeScript names it: bytes in memory, or a region of a file that will be mapped.
struct TensorSource {
  std::string name;
  at::ScalarType dtype;
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;  // used when `file` is empty
  std::string file;
  uint64_t offset = 0;
  uint64_t size = 0;  // bytes
};

/// Hands out a model's tensors by name in the dtype the engine computes in. A tensor already in that dtype stays in
/// the mapped file; any other is converted once. Counts what it allocates.
class Weights {
 public:
  Weights(std::vector<TensorSource> sources, Precision precision);

  /// Throws `bad_input` by name when the tensor is missing or shaped otherwise.
  at::Tensor take(const std::string& name, at::IntArrayRef shape) { return take(name, shape, compute_type_); }
  at::Tensor take_float32(const std::string& name, at::IntArrayRef shape) { return take(name, shape, at::kFloat); }

  /// Rows of several tensors under each other, for example a fused QKV. The parts are given up: when they were
  /// converted copies, their bytes no longer count.
  at::Tensor fuse(std::vector<at::Tensor> parts);

  int64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  at::Tensor take(const std::string& name, at::IntArrayRef shape, at::ScalarType dtype);
  at::Tensor view(const TensorSource& source);
  at::Tensor own(at::Tensor tensor);
  bool is_mapped(const at::Tensor& tensor) const;

  std::unordered_map<std::string, TensorSource> sources_;
  std::unordered_map<std::string, std::shared_ptr<const MappedFile>> files_;
  at::ScalarType compute_type_;
  int64_t allocated_bytes_ = 0;
};

}  // namespace rank_distillm
