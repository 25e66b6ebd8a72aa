#pragma once

#include <ATen/Parallel.h>

namespace rank_distillm {

/// Sets how many threads LibTorch's ops use on the calling thread. A thread's first op, or its first request for the
/// number, adopts the number that any thread set last; requesting it before setting it keeps a later op from replacing
/// the setting.
inline void set_torch_threads(int threads) {
  at::get_num_threads();
  at::set_num_threads(threads);
}

}  // namespace rank_distillm
