#pragma once

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "core/counters.h"
#include "cuda/device.h"
#include "cuda/runtime.h"

namespace rank_distillm {

/// Time by kind of operation on a device, from events of its stream that are read at the end. Only on request, since
/// events between small kernels slow them down.
class OpClock {
 public:
  static constexpr double seconds_per_tick = 1e-9;

  OpClock(const Device& device, bool runs) : runs_(runs), is_gpu_(device.place().is_cuda()) {}

  /// Runs `op` and adds its time to `kind`.
  template <typename Op>
  auto time(uint64_t OpTicks::* kind, const Op& op) {
    const Span span(*this, kind);
    return op();
  }

  /// Waits for the device and adds the measured times.
  void read(OpTicks& ticks) const {
    ticks += host_;
    for (const auto& [kind, watch] : watches_) ticks.*kind += in_ticks(watch->seconds());
  }

 private:
  static uint64_t in_ticks(double seconds) { return static_cast<uint64_t>(seconds / seconds_per_tick); }

  class Span {
   public:
    Span(OpClock& clock, uint64_t OpTicks::* kind)
        : clock_(clock), kind_(kind), start_(std::chrono::steady_clock::now()) {
      if (!clock.runs_ || !clock.is_gpu_) return;
      watch_ = clock.watches_.emplace_back(kind, std::make_unique<cuda::Stopwatch>()).second.get();
      watch_->start();
    }
    ~Span() {
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start_;
      if (watch_ != nullptr) watch_->stop();
      if (clock_.runs_ && !clock_.is_gpu_) clock_.host_.*kind_ += in_ticks(passed.count());
    }
    Span(const Span&) = delete;
    Span& operator=(const Span&) = delete;

   private:
    OpClock& clock_;
    uint64_t OpTicks::* kind_;
    std::chrono::steady_clock::time_point start_;
    cuda::Stopwatch* watch_ = nullptr;
  };

  bool runs_;
  bool is_gpu_;
  OpTicks host_;
  std::vector<std::pair<uint64_t OpTicks::*, std::unique_ptr<cuda::Stopwatch>>> watches_;
};

}  // namespace rank_distillm
