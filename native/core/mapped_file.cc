#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rank_distillm {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  const auto fail = [&path] { return Error("io", path + ": cannot map: " + std::strerror(errno)); };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) throw fail();
  struct stat status{};
  if (::fstat(descriptor, &status) != 0 || status.st_size == 0) {
    const auto error = status.st_size == 0 ? bad_input(path + ": the file is empty") : fail();
    ::close(descriptor);
    throw error;
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  const auto error = fail();
  ::close(descriptor);
  if (data == MAP_FAILED) throw error;
  return std::shared_ptr<const MappedFile>(new MappedFile(static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(data_), size_); }

}  // namespace rank_distillm
