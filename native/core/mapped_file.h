#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace rank_distillm {

/// A file mapped read-only and private. Tensors in it keep it alive through a shared pointer.
class MappedFile {
 public:
  /// Throws `io` if the file cannot be opened or mapped.
  static std::shared_ptr<const MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  MappedFile(const std::byte* data, size_t size) : data_(data), size_(size) {}
  const std::byte* data_;
  size_t size_;
};

}  // namespace rank_distillm
