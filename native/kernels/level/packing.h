#pragma once

// Layouts for products over rows: panels whose steps are the rows, and transposed rows. Gradients of weights need both,
// products with transposed weights the panels. A few rows are taken at a time, so that source and target stay cached.

#include "kernels/level/activation.h"
#include "kernels/level/transpose.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Columns [0, count) of a row as vectors of float32, followed by zeros; at most a panel.
template <class Input, Epilogue activation, class Store>
RD_INLINE void load_panel_row(const char* from, int64_t count, Store store_vector) {
  constexpr int64_t bytes = sizeof(typename Input::Number);
  alignas(64) char last[panel_width * 4];
  if (count < panel_width) {
    std::memset(last, 0, sizeof(last));
    for (int64_t c = 0; c < count * bytes; ++c) last[c] = from[c];
    from = last;
  }
  unroll<2>([&](auto half) __attribute__((always_inline)) {
    store_vector(half, activated<activation>(load_values(Input{}, from, half * lanes)));
  });
}

/// Packs row `r` and, for bf16, row `r` + 1 of a panel's columns into one step.
template <class Input, Epilogue activation, class Dot>
RD_INLINE void pack_step(const PackRowsCall& call, int64_t r, int64_t column, int64_t count, char* to) {
  constexpr int64_t bytes = sizeof(typename Input::Number);
  const auto row = [&](int64_t index) __attribute__((always_inline)) { return call.input.row(index) + column * bytes; };
  if constexpr (Dot::group == 1) {
    load_panel_row<Input, activation>(row(r), count, [&](int64_t half, F value) __attribute__((always_inline)) {
      store_as(to + half * vector_bytes, value);
    });
  } else {
    I pairs[2] = {};
    if (r + 1 < call.rows) {
      load_panel_row<Input, activation>(row(r + 1), count, [&](int64_t half, F value) __attribute__((always_inline)) {
        pairs[half] = bf16_bits(value);
      });
    }
    load_panel_row<Input, activation>(row(r), count, [&](int64_t half, F value) __attribute__((always_inline)) {
      const I bits = bf16_bits(value);
      const U lower = load_as<U>(&bits) >> 16;
      store_as(to + half * vector_bytes, pairs[half] | load_as<I>(&lower));
    });
  }
}

template <class Input, Epilogue activation, class Dot>
[[gnu::noinline]] static void pack_rows_as(const PackRowsCall& call) {
  constexpr int64_t rows_together = 16, group = Dot::group;
  const int64_t panel_bytes = call.steps * panel_width * 4;
  char* const start = call.panels + call.first / group * panel_width * 4;
  for (int64_t first = 0; first < call.rows; first += rows_together) {
    const int64_t last = min(first + rows_together, call.rows);
    for (int64_t column = 0; column < call.columns; column += panel_width) {
      const int64_t count = min(panel_width, call.columns - column);
      char* const panel = start + column / panel_width * panel_bytes;
      for (int64_t r = first; r < last; r += group) {
        pack_step<Input, activation, Dot>(call, r, column, count, panel + r / group * panel_width * 4);
      }
    }
  }
  const int64_t filled = (call.rows + group - 1) / group, all_steps = (call.rows + call.zeros + group - 1) / group;
  for (int64_t column = 0; column < call.columns; column += panel_width) {
    std::memset(start + column / panel_width * panel_bytes + filled * panel_width * 4, 0,
                (all_steps - filled) * panel_width * 4);
  }
}

template <class Input, class Dot>
RD_INLINE void pack_rows_from(const PackRowsCall& call) {
  switch (call.activation) {
    case Epilogue::gelu:
      return pack_rows_as<Input, Epilogue::gelu, Dot>(call);
    case Epilogue::gelu_tanh:
      return pack_rows_as<Input, Epilogue::gelu_tanh, Dot>(call);
    case Epilogue::relu:
      return pack_rows_as<Input, Epilogue::relu, Dot>(call);
    default:
      return pack_rows_as<Input, Epilogue::none, Dot>(call);
  }
}

static void pack_rows(const PackRowsCall& call) {
  const bool from_bf16 = call.input_type == ElementType::bfloat16;
  if (call.type == ElementType::float32) {
    return from_bf16 ? pack_rows_from<BFloat16, Float32>(call) : pack_rows_from<Float32, Float32>(call);
  }
  return from_bf16 ? pack_rows_from<BFloat16, BFloat16>(call) : pack_rows_from<Float32, BFloat16>(call);
}

template <class Dot>
[[gnu::noinline]] static void transpose_as(const TransposeCall& call) {
  constexpr int64_t bytes = sizeof(typename Dot::Number), group = Dot::group, together = lanes * group;
  for (int64_t column = 0; column < call.columns; column += lanes) {
    const int64_t columns = min(lanes, call.columns - column);
    for (int64_t first = 0; first < call.rows; first += together) {
      const int64_t rows = min(together, call.rows - first), next_rows = first + together;
      // both sides are single lines of many rows, which processors do not foresee
      unroll<together>([&](auto i) __attribute__((always_inline)) {
        __builtin_prefetch(call.input.row(next_rows + i) + column * bytes, 0, 3);
      });
      unroll<lanes>([&](auto i) __attribute__((always_inline)) {
        __builtin_prefetch(call.output.row(column + i) + (call.first + next_rows) * bytes, 1, 3);
      });
      I block[lanes];
      unroll<lanes>([&](auto i) __attribute__((always_inline)) {
        const int64_t row = first + i * group;
        const char* const next = group == 2 && row + 1 < call.rows ? call.input.row(row + 1) : nullptr;
        block[i] = row < call.rows ? interleaved_up_to<Dot>(call.input.row(row), next, column, call.columns) : I{};
      });
      transpose_lanes(block);
      unroll<lanes>([&](auto i) __attribute__((always_inline)) {
        if (i >= columns) return;
        char* const to = call.output.row(column + i) + (call.first + first) * bytes;
        if (rows == together) {
          store_as(to, block[i]);
        } else {
          std::memcpy(to, &block[i], rows * bytes);  // another thread may write after it
        }
      });
    }
    for (int64_t c = column; c < column + columns; ++c) {
      std::memset(call.output.row(c) + (call.first + call.rows) * bytes, 0, call.zeros * bytes);
    }
  }
}

static void transpose(const TransposeCall& call) {
  if (call.type == ElementType::bfloat16) return transpose_as<BFloat16>(call);
  transpose_as<Float32>(call);
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
