#pragma once

#include <cstddef>
#include <utility>

namespace rank_distillm {

/// Pages of large memory. For huge pages the kernel may have to compact memory, up to a second for the weights of a
/// model (docs/performance.md): they are for memory that is allocated once and written many times.
enum class Pages { ordinary, huge };

constexpr size_t cache_line = 64;

/// Memory for kernels, aligned to cache lines; large memory is aligned to pages.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  /// Zeroed. Throws `out_of_memory`.
  explicit AlignedBuffer(size_t bytes, Pages pages = Pages::huge);
  ~AlignedBuffer();
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  char* data() const { return data_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t size() const { return size_; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace rank_distillm
