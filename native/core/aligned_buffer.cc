#include "core/aligned_buffer.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"

namespace rank_distillm {
namespace {

constexpr size_t ordinary_page = 4096, huge_page = size_t{2} << 20;
/// From this size on the kernel is asked directly: the thread that first touches a page zeroes it.
constexpr size_t large = huge_page;

Error out_of_memory(size_t bytes) {
  return Error("out_of_memory", "the system has no memory for another " + std::to_string(bytes) + " bytes",
               "Free memory, raise the limit of the process or container (ulimit -v), or choose a smaller model.");
}

size_t round_up(size_t value, size_t multiple) { return (value + multiple - 1) / multiple * multiple; }

char* map_pages(size_t bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw out_of_memory(bytes);
  return static_cast<char*>(mapped);
}

/// Unmaps what is before the first whole huge page and after the last one.
char* map_huge_pages(size_t bytes) {
  auto* begin = map_pages(bytes + huge_page);
  const size_t before = round_up(reinterpret_cast<uintptr_t>(begin), huge_page) - reinterpret_cast<uintptr_t>(begin);
  if (before > 0) munmap(begin, before);
  if (before < huge_page) munmap(begin + before + bytes, huge_page - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);  // a hint: there may be no huge pages left
  return begin + before;
}

}  // namespace

AlignedBuffer::AlignedBuffer(size_t bytes, Pages pages) {
  if (bytes == 0) return;
  if (bytes >= large) {
    const size_t size = round_up(bytes, pages == Pages::huge ? huge_page : ordinary_page);
    data_ = pages == Pages::huge ? map_huge_pages(size) : map_pages(size);
    size_ = size;
    return;
  }
  const size_t size = round_up(bytes, cache_line);
  data_ = static_cast<char*>(std::aligned_alloc(cache_line, size));
  if (data_ == nullptr) throw out_of_memory(size);
  size_ = size;
  std::memset(data_, 0, size);
}

AlignedBuffer::~AlignedBuffer() {
  if (size_ >= large) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
}

}  // namespace rank_distillm
