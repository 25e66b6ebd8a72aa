#pragma once

// Macros and helpers for kernels. nvcc compiles them for GPUs; on machines without one g++ compiles the same files for
// their test, in which test/native/simt.h simulates blocks, warps and tensor cores on the CPU.

#include <cstdint>

#include "cuda/kernels/kernels.h"

#if defined(__CUDACC__)

#include <cuda_runtime.h>

#include <string>

#define RD_DEVICE __device__ __forceinline__
#define RD_KERNEL __global__
/// An array of a block's shared memory.
#define RD_SHARED(type, name, count) __shared__ __align__(16) type name[count]

namespace rank_distillm::cuda {

constexpr unsigned all_lanes = 0xffffffff;

template <typename Value>
RD_DEVICE Value shuffle_xor(Value value, int mask) {
  return __shfl_xor_sync(all_lanes, value, mask);
}
template <typename Value>
RD_DEVICE Value shuffle(Value value, int lane) {
  return __shfl_sync(all_lanes, value, lane);
}
RD_DEVICE void synchronize_block() { __syncthreads(); }
RD_DEVICE int thread_index() { return static_cast<int>(threadIdx.x); }
RD_DEVICE int block_threads() { return static_cast<int>(blockDim.x); }
RD_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
RD_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }
RD_DEVICE int blocks_x() { return static_cast<int>(gridDim.x); }

struct Grid {
  int64_t x;
  int y = 1;
};

/// Launches a kernel on the stream; throws if the launch fails.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), Grid grid, int threads, void* stream, Arguments... arguments) {
  if (grid.x == 0) return;
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y));
  kernel<<<blocks, static_cast<unsigned>(threads), 0, static_cast<cudaStream_t>(stream)>>>(arguments...);
  const auto error = cudaGetLastError();
  if (error == cudaSuccess) return;
  const auto message = std::string("a CUDA kernel: ") + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) throw OutOfMemory(message);
  throw std::runtime_error(message);
}

}  // namespace rank_distillm::cuda

#else
#include "simt.h"
#endif

namespace rank_distillm::cuda {

constexpr int warp_lanes = 32;

RD_DEVICE int lane_index() { return thread_index() % warp_lanes; }
RD_DEVICE int warp_index() { return thread_index() / warp_lanes; }

RD_DEVICE float warp_sum(float value) {
#pragma unroll
  for (int mask = warp_lanes / 2; mask > 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

RD_DEVICE float warp_max(float value) {
#pragma unroll
  for (int mask = warp_lanes / 2; mask > 0; mask /= 2) value = fmaxf(value, shuffle_xor(value, mask));
  return value;
}

}  // namespace rank_distillm::cuda
