#include "core/model_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace rank_distillm {
namespace {

Error io_error(const std::string& path) { return Error("io", path + ": cannot read: " + std::strerror(errno)); }

std::string version_of(const struct stat& status) {
  const auto nanoseconds = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  return std::to_string(status.st_ino) + ":" + std::to_string(status.st_size) + ":" + std::to_string(nanoseconds);
}

Error changed(const std::string& path) {
  return Error("bad_input", path + ": was changed while the model was loaded",
               "Load the model again once the file is complete. Write weights aside and rename them, so that no one "
               "loads half of them.");
}

}  // namespace

std::shared_ptr<const ModelFile> ModelFile::open(const std::string& path, const std::string& version) {
  // Not blocking, in case a pipe took the place of the file.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw io_error(path);
  std::shared_ptr<ModelFile> file(new ModelFile(path, descriptor));
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) throw io_error(path);
  if (!S_ISREG(status.st_mode)) throw bad_input(path + ": is not a file");
  file->version_ = version_of(status);
  if (!version.empty() && version != file->version_) throw changed(path);
  return file;
}

ModelFile::~ModelFile() { ::close(descriptor_); }

void ModelFile::read(uint64_t offset, uint64_t bytes, void* to) const {
  for (uint64_t done = 0; done < bytes;) {
    const auto got =
        ::pread(descriptor_, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw io_error(path_);
    if (got == 0) throw bad_input(path_ + ": ends before the tensor that its header names");
    done += static_cast<uint64_t>(got);
  }
}

void ModelFile::check_unchanged() const {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) throw io_error(path_);
  if (version_of(status) != version_) throw changed(path_);
}

}  // namespace rank_distillm
