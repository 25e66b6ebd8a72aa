#include "core/tensor.h"

namespace rank_distillm {

int64_t count_of(const Shape& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return count;
}

std::string in_words(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

Tensor::Tensor(Shape shape, Pages pages) : shape_(std::move(shape)) {
  // A byte at least, so that an empty tensor is defined.
  const auto buffer = std::make_shared<AlignedBuffer>(count_of(shape_) * sizeof(float) + 1, pages);
  data_ = buffer->as<float>();
  owner_ = buffer;
}

Tensor Tensor::row(int64_t index) const {
  auto shape = shape_;
  shape.front() = 1;
  return part(index * count_of(shape), shape);
}

}  // namespace rank_distillm
