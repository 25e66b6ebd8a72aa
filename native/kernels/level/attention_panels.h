#pragma once

// One head's rows as the panels of a product: in a product over the head's columns the rows are the outputs, in a
// product over the rows they are the steps.

#include "kernels/level/dot_product.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

RD_INLINE int64_t up_to(int64_t value, int64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Columns [0, size) of `count` rows, which begin `offset` bytes into them, become the steps: 4-byte groups change
/// places.
template <class Dot>
RD_INLINE void lay_out_outputs(const Rows& rows, int64_t count, int64_t offset, int64_t size, int64_t steps,
                               char* panels) {
  const int64_t groups = (size + Dot::group - 1) / Dot::group;
  for (int64_t first = 0; first < count; first += panel_width, panels += steps * panel_width * 4) {
    const int64_t here = count - first < panel_width ? count - first : panel_width;
    if (here < panel_width || groups < steps) std::memset(panels, 0, steps * panel_width * 4);
    for (int64_t r = 0; r < here; ++r) {
      const char* from = rows.row(first + r) + offset;
      char* to = panels + 4 * r;
      for (int64_t s = 0; s < groups; ++s) store_as(to + s * panel_width * 4, load_as<int32_t>(from + 4 * s));
    }
  }
}

/// The rows become the steps: they stay rows (float32) or are laced in pairs (bf16).
template <class Dot>
RD_INLINE void lay_out_steps(const Rows& rows, int64_t count, int64_t offset, int64_t size, int64_t steps,
                             char* panels) {
  using Number = typename Dot::Number;
  constexpr int64_t group = Dot::group;
  for (int64_t first = 0; first < size; first += panel_width, panels += steps * panel_width * 4) {
    const int64_t here = size - first < panel_width ? size - first : panel_width;
    std::memset(panels, 0, steps * panel_width * 4);
    for (int64_t r = 0; r < count; ++r) {
      const auto* from = reinterpret_cast<const Number*>(rows.row(r) + offset) + first;
      auto* to = reinterpret_cast<Number*>(panels + r / group * panel_width * 4) + r % group;
      if (here == panel_width) {
        for (int64_t c = 0; c < panel_width; ++c) to[c * group] = from[c];
      } else {
        for (int64_t c = 0; c < here; ++c) to[c * group] = from[c];
      }
    }
  }
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
