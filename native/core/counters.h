#pragma once

#include <cstdint>
#include <mutex>

#include "core/instructions.h"

namespace rank_distillm {

/// Time of a job by operation, in clock_ticks(), summed over its threads.
struct OpTicks {
  uint64_t linear = 0;
  uint64_t activation = 0;  // includes the scales and bias of its linear layer
  uint64_t attention = 0;
  uint64_t norm = 0;
  uint64_t embedding = 0;
  uint64_t all = 0;  // total, which includes other operations

  OpTicks& operator+=(const OpTicks& other) {
    linear += other.linear;
    activation += other.activation;
    attention += other.attention;
    norm += other.norm;
    embedding += other.embedding;
    all += other.all;
    return *this;
  }
};

/// Adds its lifetime to a sum.
class OpTimer {
 public:
  explicit OpTimer(uint64_t& sum) : sum_(sum), start_(clock_ticks()) {}
  ~OpTimer() { sum_ += clock_ticks() - start_; }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  uint64_t& sum_;
  uint64_t start_;
};

/// Work of a job's linear layers: shows that padding is never computed, and gives the bench its rates.
struct Counters {
  int64_t linear_rows = 0;
  int64_t linear_flops = 0;  // 2 per multiply-add
  OpTicks ticks;

  Counters& operator+=(const Counters& other) {
    linear_rows += other.linear_rows;
    linear_flops += other.linear_flops;
    ticks += other.ticks;
    return *this;
  }
};

/// Counters that several threads add to.
class SharedCounters {
 public:
  explicit SharedCounters(Counters& sum) : sum_(sum) {}
  void add(const Counters& part) {
    const std::lock_guard lock(mutex_);
    sum_ += part;
  }

 private:
  std::mutex mutex_;
  Counters& sum_;
};

}  // namespace rank_distillm
