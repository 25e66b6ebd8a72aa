#pragma once

#include <torch/csrc/stable/c/shim.h>

#include <cstdint>
#include <exception>
#include <mutex>

#include "core/error.h"

namespace rank_distillm {

/// Runs `body(begin, end)` over parts of [0, count) on LibTorch's threads, for packing weights, where the engine's
/// workers are not available. Uses LibTorch's C interface, so that the addon need not be compiled with OpenMP.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  struct Context {
    const Body& body;
    std::mutex mutex;
    std::exception_ptr error;
  } context{body, {}, nullptr};
  const auto call = [](int64_t begin, int64_t end, void* pointer) {
    auto& shared = *static_cast<Context*>(pointer);
    try {
      shared.body(begin, end);
    } catch (...) {
      const std::lock_guard lock(shared.mutex);
      if (!shared.error) shared.error = std::current_exception();
    }
  };
  const auto code = torch_parallel_for(0, count, grain, call, &context);
  if (context.error) std::rethrow_exception(context.error);
  if (code != 0) throw Error("native", "LibTorch could not run a parallel loop");
}

}  // namespace rank_distillm
