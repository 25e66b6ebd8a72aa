#include "cuda/device.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#include "cuda/kernels/kernels.h"
#include "cuda/runtime.h"

namespace rank_distillm {
namespace {

const char* emulation() {
  const char* value = std::getenv("RANK_DISTILLM_EMULATE_CUDA");
  return value == nullptr || *value == '\0' ? nullptr : value;
}

constexpr int64_t default_emulated_bytes = int64_t{1} << 34;

/// Values above 1 are the size of the memory; 1 only switches emulation on.
int64_t emulated_bytes() {
  const auto bytes = std::strtoll(emulation(), nullptr, 10);
  return bytes > 1 ? bytes : default_emulated_bytes;
}

int index_of(const std::string& name) {
  if (name == "cuda") return 0;
  const std::string prefix = "cuda:";
  int index = -1;
  const char* end = name.data() + name.size();
  if (name.rfind(prefix, 0) == 0) {
    const auto [last, error] = std::from_chars(name.data() + prefix.size(), end, index);
    if (error != std::errc() || last != end) index = -1;
  }
  if (index < 0) throw bad_input("device: expected cpu, cuda or cuda:N, received " + name);
  return index;
}

}  // namespace

bool means_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const cuda::OutOfMemory*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (torch == nullptr) return false;
  const std::string message = torch->what_without_backtrace();  // LibTorch keeps the status only in the message
  const auto says = [&message](const char* words) { return message.find(words) != std::string::npos; };
  return says("CUDA error: out of memory") || says("allocate memory: you tried to allocate") ||
         says("CUBLAS_STATUS_ALLOC_FAILED");
}

bool cuda_is_emulated() { return emulation() != nullptr; }

int emulated_gpus() {
  const char* comma = std::strchr(emulation(), ',');
  return comma == nullptr ? 1 : static_cast<int>(std::strtol(comma + 1, nullptr, 10));
}

Device::Device(const std::string& name, double memory_fraction) : memory_fraction_(memory_fraction) {
  const int index = index_of(name);
  index_ = index;
  name_ = "cuda:" + std::to_string(index);
  if (cuda_is_emulated()) {
    emulated_bytes_ = emulated_bytes();
    return;
  }
  if (!cuda::built) throw Error("unsupported", "device: " + name + ": this build of the engine has no CUDA");
  const int count = cuda::gpu_count();
  if (count == 0) throw Error("unsupported", "device: " + name + ": no GPU, or no NVIDIA driver, was found");
  if (index >= count) {
    throw bad_input("device: " + name + " is not there; the GPUs are numbered 0 to " + std::to_string(count - 1));
  }
  place_ = c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
  cuda::limit_memory(index, memory_fraction > 0 ? memory_fraction : 1);
}

int64_t Device::total_bytes() const {
  return emulated_bytes_ ? *emulated_bytes_ : cuda::gpu(place_.index()).total_bytes;
}

int64_t Device::free_bytes() const {
  if (emulated_bytes_) return *emulated_bytes_;
  const auto gpu = cuda::gpu(place_.index());
  const int64_t free = cuda::free_bytes(place_.index()) + gpu.reserved_bytes - gpu.used_bytes;
  if (memory_fraction_ <= 0) return free;
  const auto share = static_cast<int64_t>(memory_fraction_ * static_cast<double>(gpu.total_bytes));
  return std::min(free, share - gpu.used_bytes);
}

void Device::keep(int64_t bytes) {
  if (emulated_bytes_) *emulated_bytes_ -= bytes;
}

void Device::take(int64_t bytes) const {
  TORCH_CHECK_WITH(OutOfMemoryError, !emulated_bytes_ || bytes <= *emulated_bytes_, "out of memory: ", bytes,
                   " bytes requested, ", *emulated_bytes_, " emulated bytes are free");
}

void Device::synchronize() const {
  if (!emulated_bytes_) cuda::synchronize(place_.index());
}

}  // namespace rank_distillm
