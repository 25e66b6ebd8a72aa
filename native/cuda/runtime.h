#pragma once

#include <cstdint>
#include <memory>
#include <string>

#ifndef RANK_DISTILLM_CUDA
#define RANK_DISTILLM_CUDA 0
#endif

/// Calls of CUDA's runtime and of LibTorch's allocator on a GPU. A build without CUDA has runtime_absent.cc in place of
/// runtime.cc and reports no GPU.
namespace rank_distillm::cuda {

constexpr bool built = RANK_DISTILLM_CUDA != 0;

struct Gpu {
  std::string name;  // or why it is not available
  int64_t total_bytes = 0;
  int64_t reserved_bytes = 0;  // taken by this process, used or not
  int64_t used_bytes = 0;      // of those, by tensors
  int64_t peak_bytes = 0;      // most that tensors used so far
};

/// 0 without a driver.
int gpu_count();
/// Opens no context on the GPU: that takes time and memory, and fails on a GPU in exclusive use.
Gpu gpu(int index);
/// Free bytes as the driver reports them.
int64_t free_bytes(int index);

/// Limits this process to this share of the GPU's memory.
void limit_memory(int index, double fraction);

/// Returns unused memory to the driver.
void empty_cache();

/// Waits for all work of the current stream.
void synchronize(int index);

/// The current stream of a GPU, for kernels (kernels.h).
void* current_stream(int index);

/// Measures seconds between two points of the current stream with CUDA events.
class Stopwatch {
 public:
  Stopwatch();

  void start();
  void stop();
  /// Waits for the end.
  double seconds() const;

 private:
  struct Events;
  std::shared_ptr<Events> events_;
};

}  // namespace rank_distillm::cuda
