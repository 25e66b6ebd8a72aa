#pragma once

#include <ATen/Parallel.h>

namespace rank_distillm {

/// Sets how many threads LibTorch's ops use when the calling thread runs them. A thread's first op takes over the
/// number that any thread has set last; asking for the number has the same effect, so it is done before, and no op
/// can undo the setting later.
inline void set_torch_threads(int threads) {
  at::get_num_threads();
  at::set_num_threads(threads);
}

}  // namespace rank_distillm
