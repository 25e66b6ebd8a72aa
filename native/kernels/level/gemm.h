#pragma once

// output = epilogue(input · weightsᵀ + bias), blocked for the caches: a chunk of rows stays in the second-level cache
// while groups of its rows are multiplied with panels of a few columns. Sums stay in a small tile, where the epilogue
// is applied before they are rounded. The block sizes belong to the product: see VectorProduct and TileProduct.

#include "core/instructions.h"
#include "kernels/level/epilogue.h"

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Sums [rows, panel_width] of rows and a panel's outputs.
struct Group {
  int64_t row = 0;
  int64_t rows = 0;
  int64_t column = 0;
  float* sums = nullptr;
};

/// Work done during the products: prefetches of the next panel and of the outputs, and the epilogue. A product that
/// leaves the vector units free calls it after each of its steps, and has the epilogue of the sums before done
/// meanwhile. Others ask for the lines to fetch, and have the epilogue done for each few rows, whose place in the
/// output is fetched while they are multiplied.
template <class Product>
class Overlap {
 public:
  explicit Overlap(const GemmCall& call) : call_(call), finish_(epilogue_of<Product>(call)) {}

  /// Sets the panel to prefetch.
  [[gnu::always_inline]] void fetch(const char* panel, int64_t bytes) {
    next_line_ = panel;
    lines_end_ = panel + bytes;
  }

  /// About `count` lines for the caller to prefetch. Where none is left, one that is cached.
  [[gnu::always_inline]] Lines next_lines(int64_t count, const char* cached) {
    if (next_line_ >= lines_end_) return {cached, 0};
    const Lines lines = {next_line_, line};
    next_line_ += count * line;
    return lines;
  }

  /// Spreads the prefetch of the panel over this many calls.
  [[gnu::always_inline]] void fetch_within(int64_t calls) {
    bytes_a_call_ = min(share((lines_end_ - next_line_) / line, calls), max_lines) * line;
  }

  /// Spreads over this many calls the fetches of these sums' place in the output.
  [[gnu::always_inline]] void fetch_output_within(const Group& next, int64_t calls) {
    next_ = next;
    fetched_a_call_ = share(next.rows, calls);
  }

  [[gnu::always_inline]] void operator()() {
    finish_rows(min(rows_a_call_, left_.rows));
    const int64_t rows = min(fetched_a_call_, next_.rows);
    fetch_output(next_, rows);
    next_.row += rows;
    next_.rows -= rows;
    const char* const until = next_line_ + min(bytes_a_call_, lines_end_ - next_line_);
    for (; next_line_ < until; next_line_ += line) __builtin_prefetch(next_line_, 0, 2);
  }

  /// Fetches the place of the next rows in the output.
  [[gnu::always_inline]] void fetch_output(int64_t rows) const { fetch_output(left_, min(rows, left_.rows)); }

  /// Applies the epilogue to the next rows.
  [[gnu::always_inline]] void finish_next(int64_t rows) {
    if (left_.rows == 0) return;
    const bool timed = counts() && parts_++ % timed_parts == 0;
    const uint64_t before = timed ? clock_ticks() : 0;
    finish_rows(min(rows, left_.rows));
    if (timed) *call_.epilogue_ticks += timed_parts * (clock_ticks() - before);
  }

  /// Applies the epilogue to the rest.
  [[gnu::always_inline]] void finish_all() { finish_rows(left_.rows); }

  /// Sets the sums whose epilogue comes next, and spreads it over this many calls.
  [[gnu::always_inline]] void take(const Group& group, int64_t calls = 1) {
    left_ = group;
    rows_a_call_ = share(group.rows, calls);
  }

 private:
  static constexpr int64_t line = 64, max_lines = 8;  // per call: memory delivers no more in that time
  /// One of so many stands for all: reading the clock takes as long as several vectors.
  static constexpr uint64_t timed_parts = 8;

  RD_INLINE int64_t share(int64_t all, int64_t calls) { return (all + calls - 1) / calls; }

  /// Whether the epilogue's time counts.
  bool counts() const { return call_.epilogue != Epilogue::none && call_.epilogue != Epilogue::add; }

  [[gnu::always_inline]] void fetch_output(const Group& group, int64_t rows) const {
    const int64_t bytes = element_bytes(call_.output_type);
    for (int64_t r = group.row; r < group.row + rows; ++r) {
      const char* const to = call_.output.row(r) + group.column * bytes;
      for (int64_t at = 0; at < panel_width * bytes; at += line) __builtin_prefetch(to + at, 1, 3);
    }
  }

  [[gnu::always_inline]] void finish_rows(int64_t rows) {
    if (rows == 0) return;
    finish_(call_, left_.row, rows, left_.column, left_.sums);
    left_.row += rows;
    left_.rows -= rows;
    left_.sums += rows * panel_width;
  }

  const GemmCall& call_;
  const ApplyEpilogue finish_;
  Group left_, next_;
  uint64_t parts_ = 0;
  int64_t rows_a_call_ = 0, fetched_a_call_ = 0;
  const char* next_line_ = nullptr;
  const char* lines_end_ = nullptr;
  int64_t bytes_a_call_ = 0;
};

template <class Product>
static void gemm(const GemmCall& call) {
  alignas(64) float sums[Product::group_rows * panel_width];
  const auto& weights = call.weights;
  const int64_t panel_bytes = weights.steps * panel_width * 4;
  const int64_t all_columns = round_up(weights.out, panel_width);
  const int64_t chunk_rows = Product::chunk_rows(call.rows, 4 * weights.steps);
  const int64_t chunk_steps = Product::chunk_steps(weights.steps);
  Product product;
  Overlap<Product> overlap(call);
  for (int64_t first = 0; first < call.rows; first += chunk_rows) {
    const int64_t end = min(first + chunk_rows, call.rows);
    for (int64_t column = 0; column < all_columns; column += panel_width) {
      const char* const panel = weights.panels + column / panel_width * panel_bytes;
      overlap.fetch(panel + panel_bytes, column + panel_width < all_columns ? panel_bytes : 0);
      if constexpr (Product::leaves_vectors_free) overlap.fetch_within(Product::calls(end - first, weights.steps));
      for (int64_t row = first; row < end;) {
        const int64_t rows = Product::rows_of_group(end - row);
        for (int64_t step = 0; step < weights.steps; step += chunk_steps) {
          const int64_t steps = min(chunk_steps, weights.steps - step);
          const bool is_last = step + steps == weights.steps;
          const char* const input = call.input.row(row) + 4 * step;
          const char* const part = panel + step * panel_width * 4;
          constexpr std::integral_constant<int64_t, panel_width> stride;
          if constexpr (Product::leaves_vectors_free) {
            if (is_last) {
              product.multiply_last({row, rows, column, sums}, input, call.input.stride, part, steps, step > 0,
                                    overlap);
              continue;
            }
          } else {
            if (is_last) overlap.take({row, rows, column, sums});
          }
          product.multiply(rows, input, call.input.stride, part, steps, sums, stride, step > 0, overlap);
        }
        row += rows;
      }
    }
  }
  product.flush();
  overlap.finish_all();
}

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL
