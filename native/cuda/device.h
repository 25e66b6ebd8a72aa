#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>

namespace rank_distillm {

/// The device of a model's tensors: a GPU or, with RANK_DISTILLM_EMULATE_CUDA set, an emulated one on the CPU. There
/// every op of ops/ runs its reference, so that everything except the kernels can be tested without a GPU. The
/// variable's value is the emulated memory in bytes.
class Device {
 public:
  /// `cuda` or `cuda:N`; `memory_fraction` above 0 limits this process's share of the GPU's memory, 0 removes the
  /// limit that an earlier model set. Throws `unsupported` in a build without CUDA or on a machine without a GPU,
  /// `bad_input` for a GPU that does not exist.
  Device(const std::string& name, double memory_fraction);

  c10::Device place() const { return place_; }
  int index() const { return index_; }
  /// `cuda:N`.
  const std::string& name() const { return name_; }

  int64_t total_bytes() const;
  /// Bytes this process can still allocate, without other processes' memory and within the fraction.
  int64_t free_bytes() const;

  /// On an emulated device: reserves memory that a model keeps.
  void keep(int64_t bytes);

  /// On an emulated device: throws LibTorch's OutOfMemoryError if less memory than this is free.
  void take(int64_t bytes) const;

  /// Waits for the GPU to finish all queued work.
  void synchronize() const;

 private:
  c10::Device place_ = c10::Device(c10::kCPU);
  int index_ = 0;
  std::string name_;
  double memory_fraction_ = 0;
  std::optional<int64_t> emulated_bytes_;
};

/// True for the errors of LibTorch's allocator, a kernel's launch and cuBLAS when a GPU is out of memory.
bool means_out_of_memory(const std::exception& error);

/// True if `cuda` is emulated on the CPU.
bool cuda_is_emulated();
/// How many GPUs are emulated: what follows a comma in the variable, as in `1,2`; else one.
int emulated_gpus();

/// The types that a model on a device computes in.
struct DeviceTypes {
  at::ScalarType compute = at::kFloat;  // of products' inputs
  at::ScalarType stream = at::kFloat;   // of the residual stream
};

}  // namespace rank_distillm
