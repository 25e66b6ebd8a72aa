#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

#include "core/workers.h"

namespace rank_distillm {

/// Runs `body(begin, end)` over parts of [0, count), possibly on several threads.
using ParallelLoop = std::function<void(int64_t count, const std::function<void(int64_t, int64_t)>& body)>;

/// Several parts a thread, since other work may hold one of them up.
inline ParallelLoop loop_on(Workers& workers) {
  return [&workers](int64_t count, const std::function<void(int64_t, int64_t)>& body) {
    const int64_t parts = std::min<int64_t>(count, int64_t{4} * workers.count());
    workers.run(parts, [&](int64_t part) { body(count * part / parts, count * (part + 1) / parts); });
  };
}

inline void on_this_thread(int64_t count, const std::function<void(int64_t, int64_t)>& body) { body(0, count); }

}  // namespace rank_distillm
