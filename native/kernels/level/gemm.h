#pragma once

// output = epilogue(input · weightsᵀ + bias), blocked for the caches: a chunk of rows stays in the second-level cache
// while groups of its rows are multiplied with panels of a few columns. Sums stay in a small tile, where the epilogue
// is applied before they are rounded. The block sizes belong to the product: see VectorProduct and TileProduct.

#include "core/instructions.h"
#include "kernels/level/epilogue.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Sums of a group of rows and columns.
struct Group {
  int64_t row = 0;
  int64_t rows = 0;
  int64_t column = 0;
  int64_t columns = 0;
  const float* sums = nullptr;
};

/// Work done during the products: prefetches of the next panels and the epilogue. A product that leaves the vector
/// units free calls it after each of its steps, and has the epilogue of the last group of sums done meanwhile. Others
/// ask for the lines to fetch, and have the epilogue done for each few rows, whose place in the output is fetched while
/// they are multiplied.
template <class Product>
class Overlap {
 public:
  explicit Overlap(const GemmCall& call) : call_(call), finish_(epilogue_of<Product>(call)) {}

  /// Sets the panels to prefetch.
  [[gnu::always_inline]] void fetch(const char* panels, int64_t bytes) {
    next_line_ = panels;
    lines_end_ = panels + bytes;
  }

  /// Spreads the prefetch over this many calls.
  [[gnu::always_inline]] void fetch_within(int64_t calls) {
    bytes_a_call_ = min(share((lines_end_ - next_line_) / line, calls), max_lines) * line;
  }

  /// About `count` lines for the caller to prefetch. Where none is left, one that is cached.
  [[gnu::always_inline]] Lines next_lines(int64_t count, const char* cached) {
    if (next_line_ >= lines_end_) return {cached, 0};
    const Lines lines = {next_line_, line};
    next_line_ += count * line;
    return lines;
  }

  /// Spreads the group's epilogue over this many calls.
  [[gnu::always_inline]] void finish_within(int64_t calls) { rows_a_call_ = share(left_.rows, calls); }

  [[gnu::always_inline]] void operator()() {
    finish_rows(min(rows_a_call_, left_.rows));
    const char* const until = next_line_ + min(bytes_a_call_, lines_end_ - next_line_);
    for (; next_line_ < until; next_line_ += line) __builtin_prefetch(next_line_, 0, 2);
  }

  /// Fetches the place of the group's next rows in the output.
  [[gnu::always_inline]] void fetch_output(int64_t rows) const {
    const int64_t bytes = element_bytes(call_.output_type), end = left_.row + min(rows, left_.rows);
    for (int64_t r = left_.row; r < end; ++r) {
      const char* const to = call_.output.row(r) + left_.column * bytes;
      for (int64_t at = 0; at < left_.columns * bytes; at += line) __builtin_prefetch(to + at, 1, 3);
    }
  }

  /// Applies the epilogue to the group's next rows.
  [[gnu::always_inline]] void finish_next(int64_t rows) {
    if (left_.rows == 0) return;
    const bool timed = counts() && parts_++ % timed_parts == 0;
    const uint64_t before = timed ? clock_ticks() : 0;
    finish_rows(min(rows, left_.rows));
    if (timed) *call_.epilogue_ticks += timed_parts * (clock_ticks() - before);
  }

  /// Applies the epilogue to the rest of the group.
  [[gnu::always_inline]] void finish_all() { finish_rows(left_.rows); }

  /// Sets the group whose epilogue comes next.
  [[gnu::always_inline]] void take(const Group& group) { left_ = group; }

  /// Whether the epilogue's time counts.
  bool counts() const { return call_.epilogue != Epilogue::none && call_.epilogue != Epilogue::add; }

 private:
  static constexpr int64_t line = 64, max_lines = 8;  // per call: memory delivers no more in that time
  /// One of so many stands for all: reading the clock takes as long as several vectors.
  static constexpr uint64_t timed_parts = 8;

  RD_INLINE int64_t share(int64_t all, int64_t calls) { return (all + calls - 1) / calls; }

  [[gnu::always_inline]] void finish_rows(int64_t rows) {
    if (rows == 0) return;
    finish_(call_, left_.row, rows, left_.column, left_.columns, left_.sums);
    left_.row += rows;
    left_.rows -= rows;
    left_.sums += rows * Product::tile_columns;
  }

  const GemmCall& call_;
  const ApplyEpilogue finish_;
  Group left_;
  uint64_t parts_ = 0;
  int64_t rows_a_call_ = 0;
  const char* next_line_ = nullptr;
  const char* lines_end_ = nullptr;
  int64_t bytes_a_call_ = 0;
};

template <class Product>
static void gemm(const GemmCall& call) {
  constexpr bool between = Product::leaves_vectors_free;
  constexpr int64_t width = Product::tile_columns;
  constexpr int buffers = between ? 2 : 1;
  alignas(64) float sums[buffers][Product::group_rows * width];
  int buffer = 0;
  const auto& weights = call.weights;
  const int64_t panel_bytes = weights.steps * panel_width * 4;
  const int64_t all_columns = (weights.out + panel_width - 1) / panel_width * panel_width;
  const int64_t chunk_rows = Product::chunk_rows(4 * weights.steps);
  Product product;
  Overlap<Product> overlap(call);
  for (int64_t first = 0; first < call.rows; first += chunk_rows) {
    const int64_t end = min(first + chunk_rows, call.rows);
    for (int64_t column = 0; column < all_columns; column += width) {
      const int64_t columns = min(width, all_columns - column);
      const char* const panels = weights.panels + column / panel_width * panel_bytes;
      const int64_t next = min(width, all_columns - column - columns);
      overlap.fetch(panels + columns / panel_width * panel_bytes, next / panel_width * panel_bytes);
      if constexpr (between) overlap.fetch_within(Product::calls(end - first, columns, weights.steps));
      for (int64_t row = first; row < end;) {
        const int64_t rows = Product::rows_of_group(end - row);
        if constexpr (between) overlap.finish_within(Product::calls(rows, columns, weights.steps));
        for (int64_t step = 0; step < weights.steps; step += Product::chunk_steps) {
          const int64_t steps = min(Product::chunk_steps, weights.steps - step);
          for (int64_t c = 0; c < columns; c += panel_width) {
            if constexpr (!between) {
              if (step + steps == weights.steps) overlap.take({row, rows, column + c, panel_width, sums[buffer] + c});
            }
            product.multiply(rows, call.input.row(row) + 4 * step, call.input.stride,
                             panels + c / panel_width * panel_bytes + step * panel_width * 4, steps, sums[buffer] + c,
                             std::integral_constant<int64_t, width>{}, step > 0, overlap);
          }
        }
        if constexpr (between) {
          const uint64_t before = clock_ticks();
          overlap.finish_all();  // of the previous group
          overlap.take({row, rows, column, columns, sums[buffer]});
          if (overlap.counts()) *call.epilogue_ticks += clock_ticks() - before;
          buffer = (buffer + 1) % buffers;
        }
        row += rows;
      }
    }
  }
  overlap.finish_all();
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
