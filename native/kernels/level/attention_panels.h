#pragma once

// Packs one head's rows as panels: as outputs for a product over the head's columns, as steps for a product over the
// rows.

#include "kernels/level/transpose.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Rows become outputs and their columns [0, size), which begin at byte `offset`, become steps.
template <class Dot>
RD_INLINE void pack_as_outputs(const Rows& rows, int64_t count, int64_t offset, int64_t size, int64_t steps,
                               char* panels) {
  constexpr int64_t step_bytes = panel_width * 4;
  const int64_t groups = (size + Dot::group - 1) / Dot::group;
  for (int64_t first = 0; first < count; first += panel_width, panels += steps * step_bytes) {
    const int64_t here = min(panel_width, count - first);
    if (here <= panel_width - lanes || groups < steps) std::memset(panels, 0, steps * step_bytes);
    transpose_groups(here, groups, panels, step_bytes, [&](int64_t row, int64_t group) __attribute__((always_inline)) {
      return load_as<I>(rows.row(first + row) + offset + 4 * group);
    });
  }
}

/// Rows become steps: unchanged (float32) or interleaved in pairs (bf16).
template <class Dot>
RD_INLINE void pack_as_steps(const Rows& rows, int64_t count, int64_t offset, int64_t size, int64_t steps,
                             char* panels) {
  constexpr int64_t bytes = sizeof(typename Dot::Number), group = Dot::group, step_bytes = panel_width * 4;
  const int64_t filled = (count + group - 1) / group;
  for (int64_t first = 0; first < size; first += panel_width, panels += steps * step_bytes) {
    const int64_t here = min(panel_width, size - first);
    const char* const corner = rows.data + offset + first * bytes;
    for (int64_t s = 0; s < filled; ++s) {
      const char* const row = corner + s * group * rows.stride;
      const char* const next = group == 2 && s * group + 1 < count ? row + rows.stride : nullptr;
      unroll<2>([&](auto half) __attribute__((always_inline)) {
        const I step = interleaved_up_to<Dot>(row, next, half * lanes, here);
        store_as(panels + s * step_bytes + half * vector_bytes, step);
      });
    }
    std::memset(panels + filled * step_bytes, 0, (steps - filled) * step_bytes);
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
