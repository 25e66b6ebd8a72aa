#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace rank_distillm {

/// A weight file that is open for reading. It is read, never mapped: a mapped file that another program truncates ends
/// the process, and one that is rewritten changes the weights.
class ModelFile {
 public:
  /// `version` as src/models/weight-file.ts writes it, of the file whose header was read; empty: any. Throws `io` if
  /// the file cannot be opened, `bad_input` if it is another version.
  static std::shared_ptr<const ModelFile> open(const std::string& path, const std::string& version);
  ~ModelFile();
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  /// Reads exactly `bytes` from `offset`; any thread. Throws `io`, or `bad_input` if the file ends before.
  void read(uint64_t offset, uint64_t bytes, void* to) const;

  /// Throws `bad_input` if the file was written to since it was opened.
  void check_unchanged() const;

 private:
  ModelFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_;
  std::string version_;
};

}  // namespace rank_distillm
