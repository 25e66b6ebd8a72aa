#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/model_file.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "model/linear.h"

namespace rank_distillm {

/// How files store numbers.
enum class Dtype : uint8_t { float32, float64, float16, bfloat16 };

constexpr int64_t dtype_bytes(Dtype dtype) { return dtype == Dtype::float64 ? 8 : dtype == Dtype::float32 ? 4 : 2; }

/// A tensor as TypeScript passes it: bytes in memory, or a region of a file.
struct TensorSource {
  std::string name;
  Dtype dtype = Dtype::float32;
  Shape shape;
  std::vector<std::byte> bytes;  // used when `file` is empty
  std::string file;
  std::string version;  // of the file, see ModelFile
  uint64_t offset = 0;
  uint64_t size = 0;  // bytes
};

/// Reads a model's tensors by name, in float32. What it returns is a copy: nothing refers to a file afterwards. Counts
/// the bytes it allocates.
class Weights {
 public:
  /// @param level whose kernels multiply
  Weights(std::vector<TensorSource> sources, ParallelLoop parallel, const Kernels& level = kernels());

  /// Throws `bad_input` with the name if the tensor is missing or has another shape.
  Tensor take(const std::string& name, const Shape& shape);

  /// The same, into memory of the caller.
  void copy(const std::string& name, const Shape& shape, float* to);

  /// Dense layers [out, in] with `name.weight` and `name.bias` as one layer with concatenated outputs (a fused QKV),
  /// packed for the kernels.
  Linear linear(const std::vector<std::string>& names, int64_t out, int64_t in, ElementType type);

  /// A float32 layer that may have no bias; with `label` that output alone.
  Linear output_layer(const std::string& name, int64_t out, int64_t in, bool bias, std::optional<int64_t> label = {});

  /// To be called after the last tensor: throws `bad_input` if a file was written to meanwhile.
  void check_unchanged() const;

  int64_t allocated_bytes() const { return allocated_bytes_; }

 private:
  /// A tensor and its open file, if it is in one.
  struct Stored {
    const TensorSource* source;
    std::shared_ptr<const ModelFile> file;

    /// Numbers `first` … of the tensor; any thread.
    void read(int64_t first, int64_t count, float* to) const;
  };

  Stored find(const std::string& name, const Shape& shape);
  Linear packed(const std::vector<Stored>& weights, const std::vector<float>& bias, int64_t first, int64_t rows_each,
                int64_t in, ElementType type);

  std::unordered_map<std::string, TensorSource> sources_;
  std::unordered_map<std::string, std::shared_ptr<const ModelFile>> files_;
  ParallelLoop parallel_;
  const Kernels& level_;
  int64_t allocated_bytes_ = 0;
};

}  // namespace rank_distillm
