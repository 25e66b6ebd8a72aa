#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/aligned_buffer.h"

namespace rank_distillm {

using Shape = std::vector<int64_t>;

int64_t count_of(const Shape& shape);

/// `[30522, 768]`.
std::string in_words(const Shape& shape);

/// Float32 numbers of a shape, row after row. A copy is a view of the same memory, which lives as long as a view.
class Tensor {
 public:
  Tensor() = default;

  /// Zeros.
  explicit Tensor(Shape shape, Pages pages = Pages::ordinary);

  /// A view of memory that `owner` keeps.
  Tensor(float* data, Shape shape, std::shared_ptr<const void> owner)
      : data_(data), shape_(std::move(shape)), owner_(std::move(owner)) {}

  bool defined() const { return data_ != nullptr; }
  float* data() const { return data_; }
  const Shape& shape() const { return shape_; }
  int64_t size(size_t dimension) const { return shape_[dimension]; }
  int64_t count() const { return defined() ? count_of(shape_) : 0; }
  int64_t bytes() const { return count() * static_cast<int64_t>(sizeof(float)); }

  /// The numbers from `first` on, as another shape.
  Tensor part(int64_t first, Shape shape) const { return {data_ + first, std::move(shape), owner_}; }

  /// Row `index` of the first dimension, as a tensor of one row.
  Tensor row(int64_t index) const;

 private:
  float* data_ = nullptr;
  Shape shape_;
  std::shared_ptr<const void> owner_;
};

}  // namespace rank_distillm
