#pragma once

#include <cstdint>

namespace rank_distillm {

/// What the linear layers of a job really multiplied; proof that padding is never computed, and the bench's numerator.
struct Counters {
  int64_t linear_rows = 0;
  int64_t linear_flops = 0;  // 2 per multiply-add

  Counters& operator+=(const Counters& other) {
    linear_rows += other.linear_rows;
    linear_flops += other.linear_flops;
    return *this;
  }
};

}  // namespace rank_distillm
