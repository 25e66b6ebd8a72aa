#pragma once

#include <atomic>
#include <memory>

#include "core/error.h"

namespace rank_distillm {

/// Set by any thread; the engine thread reads it between layers.
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

inline CancelFlag make_cancel_flag() { return std::make_shared<std::atomic<bool>>(false); }

inline bool is_cancelled(const CancelFlag& flag) { return flag && flag->load(std::memory_order_relaxed); }

inline Error interrupted() { return Error("aborted", "interrupted"); }

inline void throw_if_cancelled(const CancelFlag& flag) {
  if (is_cancelled(flag)) throw interrupted();
}

}  // namespace rank_distillm
