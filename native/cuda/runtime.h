#pragma once

#include <cstdint>
#include <memory>
#include <string>

#ifndef RANK_DISTILLM_CUDA
#define RANK_DISTILLM_CUDA 0
#endif

/// What is asked of CUDA's runtime and of LibTorch's memory on a GPU. A build without CUDA has runtime_absent.cc in
/// place of runtime.cc: no GPU, and nothing to probe.
namespace rank_distillm::cuda {

constexpr bool built = RANK_DISTILLM_CUDA != 0;

struct Gpu {
  std::string name;  // or why it cannot be asked
  int64_t total_bytes = 0;
  int64_t reserved_bytes = 0;  // taken by this process, used or not
  int64_t used_bytes = 0;      // of those, by tensors
  int64_t peak_bytes = 0;      // most that tensors used so far
};

/// 0 where there is no driver, too.
int gpu_count();
/// Opens no context on the GPU: that takes time and memory there, and a GPU that others have to themselves gives none.
Gpu gpu(int index);
/// What the driver has left for anybody.
int64_t free_bytes(int index);

/// This process takes at most that share of the GPU's memory.
void limit_memory(int index, double fraction);

/// Gives memory that no tensor uses back to the driver.
void empty_cache();

/// Waits for all work of the current stream.
void synchronize(int index);

/// The current stream of a GPU, for kernels (kernels.h).
void* current_stream(int index);

/// Seconds between points of the current stream; made of CUDA events.
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
