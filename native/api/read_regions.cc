#include "api/read_regions.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "api/js_values.h"

namespace rank_distillm {
namespace {

constexpr int slices = 8;
using CrcTables = std::array<std::array<uint32_t, 256>, slices>;

/// `tables[s][b]`: the checksum of the byte b with s zero bytes behind it.
constexpr CrcTables crc_tables() {
  CrcTables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0);
    tables[0][byte] = crc;
  }
  for (int s = 1; s < slices; ++s) {
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[s - 1][byte];
      tables[s][byte] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}

constexpr CrcTables tables = crc_tables();

/// zlib's crc32, which Node.js exports, but not every program that loads addons (Electron). Eight bytes a step.
uint32_t crc32(const uint8_t* bytes, size_t length) {
  uint32_t crc = ~0U;
  for (; length >= slices; bytes += slices, length -= slices) {
    uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof(word));  // all our targets are little-endian
    word ^= crc;
    crc = 0;
    for (int s = 0; s < slices; ++s) crc ^= tables[slices - 1 - s][(word >> (8 * s)) & 0xFF];
  }
  for (; length > 0; ++bytes, --length) crc = (crc >> 8) ^ tables[0][(crc ^ *bytes) & 0xFF];
  return ~crc;
}

struct Region {
  off_t offset;
  size_t length;
  uint32_t checksum;
};

/// What the promise resolves with besides an errno.
constexpr int as_expected = 0, not_as_expected = -1;

int read_fully(int fd, const Region& region, uint8_t* target) {
  for (size_t done = 0; done < region.length;) {
    const auto count = pread(fd, target + done, region.length - done, region.offset + static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) return not_as_expected;
    done += static_cast<size_t>(count);
  }
  return as_expected;
}

/// On a thread of libuv's pool, as the reads of node:fs.
class RegionReads : public Napi::AsyncWorker {
 public:
  RegionReads(Napi::Env env, int fd, std::vector<Region> regions, Napi::Uint8Array target)
      : AsyncWorker(env, "rank-distillm reads"),
        promise_(Napi::Promise::Deferred::New(env)),
        target_(Napi::Persistent(target)),
        bytes_(target.Data()),
        fd_(fd),
        regions_(std::move(regions)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override {
    auto* bytes = bytes_;
    for (const auto& region : regions_) {
      result_ = read_fully(fd_, region, bytes);
      if (result_ == as_expected && crc32(bytes, region.length) != region.checksum) result_ = not_as_expected;
      if (result_ != as_expected) return;
      bytes += region.length;
    }
  }

  void OnOK() override { promise_.Resolve(Napi::Number::New(Env(), result_)); }

 private:
  Napi::Promise::Deferred promise_;
  Napi::Reference<Napi::Uint8Array> target_;
  uint8_t* bytes_;
  int fd_;
  std::vector<Region> regions_;
  int result_ = as_expected;
};

std::vector<Region> regions_of(const Napi::Float64Array& numbers, size_t target_bytes) {
  std::vector<Region> regions(numbers.ElementLength() / 3);
  const double* at = numbers.Data();
  size_t bytes = 0;
  for (auto& [offset, length, checksum] : regions) {
    offset = static_cast<off_t>(*at++);
    length = static_cast<size_t>(*at++);
    checksum = static_cast<uint32_t>(*at++);
    if (length > target_bytes - bytes) throw Napi::RangeError::New(numbers.Env(), "target: too small for the regions");
    bytes += length;
  }
  return regions;
}

}  // namespace

Napi::Value read_regions(const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(read_integer(info[0], "fd"));
  const auto target = info[2].As<Napi::Uint8Array>();
  auto* reads =
      new RegionReads(info.Env(), fd, regions_of(info[1].As<Napi::Float64Array>(), target.ByteLength()), target);
  const auto promise = reads->promise();
  reads->Queue();  // which deletes it at its end
  return promise;
}

}  // namespace rank_distillm
