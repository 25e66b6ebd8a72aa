#include "cuda/runtime.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace rank_distillm::cuda {
namespace {

c10::DeviceIndex narrow(int index) { return static_cast<c10::DeviceIndex>(index); }

cudaEvent_t make_event() {
  cudaEvent_t event = nullptr;
  C10_CUDA_CHECK(cudaEventCreate(&event));
  return event;
}

}  // namespace

int gpu_count() { return c10::cuda::device_count(); }

Gpu gpu(int index) {
  Gpu result;
  cudaDeviceProp properties{};
  const auto error = cudaGetDeviceProperties(&properties, index);
  if (error != cudaSuccess) {
    cudaGetLastError();  // else the next call would report it
    result.name = cudaGetErrorString(error);
    return result;
  }
  result.name = properties.name;
  result.total_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  if (c10::cuda::CUDACachingAllocator::get()->initialized()) {
    const auto stats = c10::cuda::CUDACachingAllocator::getDeviceStats(narrow(index));
    result.reserved_bytes = stats.reserved_bytes[0].current;
    result.used_bytes = stats.allocated_bytes[0].current;
    result.peak_bytes = stats.allocated_bytes[0].peak;
  }
  return result;
}

int64_t free_bytes(int index) {
  const c10::cuda::CUDAGuard guard(narrow(index));
  size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return static_cast<int64_t>(free);
}

void limit_memory(int index, double fraction) {
  c10::cuda::CUDACachingAllocator::init(gpu_count());
  c10::cuda::CUDACachingAllocator::setMemoryFraction(fraction, narrow(index));
}

void empty_cache() { c10::cuda::CUDACachingAllocator::emptyCache(); }

void synchronize(int index) { c10::cuda::getCurrentCUDAStream(narrow(index)).synchronize(); }

void* current_stream(int index) { return c10::cuda::getCurrentCUDAStream(narrow(index)).stream(); }

struct Stopwatch::Events {
  cudaEvent_t begin = make_event();
  cudaEvent_t end = make_event();

  Events() = default;
  ~Events() {
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
  }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
};

Stopwatch::Stopwatch() : events_(std::make_shared<Events>()) {}

void Stopwatch::start() { C10_CUDA_CHECK(cudaEventRecord(events_->begin, c10::cuda::getCurrentCUDAStream())); }

void Stopwatch::stop() { C10_CUDA_CHECK(cudaEventRecord(events_->end, c10::cuda::getCurrentCUDAStream())); }

double Stopwatch::seconds() const {
  float milliseconds = 0;
  C10_CUDA_CHECK(cudaEventSynchronize(events_->end));
  C10_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, events_->begin, events_->end));
  return milliseconds / 1e3;
}

}  // namespace rank_distillm::cuda
