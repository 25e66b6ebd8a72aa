#pragma once

#include <atomic>
#include <memory>

#include "core/error.h"

namespace rank_distillm {

/// Set by any thread; the engine thread reads it between layers.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

inline CancelFlag make_cancel_flag() { return std::make_shared<std::atomic<bool>>(false); }

inline void throw_if_cancelled(const CancelFlag& flag) {
  if (flag && flag->load(std::memory_order_relaxed)) throw Error("aborted", "interrupted");
}

}  // namespace rank_distillm
