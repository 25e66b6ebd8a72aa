#pragma once

// The same product on AMX tiles: 32 rows × 32 outputs in four tiles of sums, 64 bytes of each row per step. Two tiles
// of inputs and two of weights are loaded for four products, which keeps the matrix unit busy: 4 KiB in 64 cycles, the
// second-level cache's maximum. Remaining rows get tiles of exactly their number.

#include "kernels/level/dot_product.h"

#if defined(__AMX_TILE__)

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Operand of LDTILECFG.
struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// Tiles 0-3: sums [upper left, upper right, lower left, lower right]; 4, 5: upper and lower inputs; 6, 7: weights.
RD_INLINE void configure_tiles(int64_t upper, int64_t lower) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) config.row_bytes[tile] = 64;
  const auto top = static_cast<uint8_t>(upper), bottom = static_cast<uint8_t>(lower > 0 ? lower : 1);
  config.rows[0] = config.rows[1] = config.rows[4] = top;
  config.rows[2] = config.rows[3] = config.rows[5] = bottom;
  config.rows[6] = config.rows[7] = 16;
  _tile_loadconfig(&config);
}

constexpr int64_t tile_rows = 16, block_rows = 2 * tile_rows, tile_steps = 16;

template <class Dot, class Stride, class... Overlap>
[[gnu::noinline]] static void multiply_tiles(int64_t rows, const char* input, int64_t stride, const char* panel,
                                             int64_t steps, float* sums, Stride sums_stride, bool add,
                                             Overlap&... overlap) {
  const bool lower = rows > tile_rows;
  const int64_t sums_bytes = 4 * sums_stride;
  float* const second = sums + tile_rows * sums_stride;
  if (add) {
    _tile_loadd(0, sums, sums_bytes);
    _tile_loadd(1, sums + 16, sums_bytes);
    if (lower) {
      _tile_loadd(2, second, sums_bytes);
      _tile_loadd(3, second + 16, sums_bytes);
    }
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < steps; step += tile_steps, input += 64, panel += 64 * panel_width) {
    _tile_loadd(4, input, stride);
    _tile_loadd(6, panel, 4 * panel_width);
    _tile_loadd(7, panel + 64, 4 * panel_width);
    if constexpr (Dot::group == 2) {
      _tile_dpbf16ps(0, 4, 6);
      _tile_dpbf16ps(1, 4, 7);
    } else {
      _tile_dpbusd(0, 4, 6);
      _tile_dpbusd(1, 4, 7);
    }
    if (lower) {
      _tile_loadd(5, input + tile_rows * stride, stride);
      if constexpr (Dot::group == 2) {
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
      } else {
        _tile_dpbusd(2, 5, 6);
        _tile_dpbusd(3, 5, 7);
      }
    }
    (overlap(), ...);
  }
  _tile_stored(0, sums, sums_bytes);
  _tile_stored(1, sums + 16, sums_bytes);
  if (lower) {
    _tile_stored(2, second, sums_bytes);
    _tile_stored(3, second + 16, sums_bytes);
  }
}

/// A product on tiles, with the vector product's panels in multiples of 16 steps.
template <class Dot>
struct TileProduct : Dot {
  /// Block sizes of gemm.h: 64 rows × 64 outputs × 256 bytes of each stay in the first-level cache (48 KiB) with their
  /// sums. From a model of the caches, not measured: ELECTRA-base's up projection needs 41 instead of 71 bytes per
  /// cycle from the second level, which delivers 64 at most.
  static constexpr bool leaves_vectors_free = true;
  static constexpr int64_t group_rows = 64, tile_columns = 64, chunk_steps = 64;

  /// Rows that take half of a second-level cache of 2 MiB: panels come from memory once per chunk.
  RD_INLINE int64_t chunk_rows(int64_t row_bytes) { return whole_groups<group_rows>((int64_t{1} << 20) / row_bytes); }
  /// Remaining rows, which need other tiles, are a separate group: reconfiguring costs as much as several products.
  RD_INLINE int64_t rows_of_group(int64_t left) {
    if (left >= group_rows) return group_rows;
    return left > block_rows ? block_rows : left;
  }
  /// How often `overlap` is called.
  RD_INLINE int64_t calls(int64_t rows, int64_t columns, int64_t steps) {
    return (rows + block_rows - 1) / block_rows * (columns / panel_width) * (steps / tile_steps);
  }

  template <class Stride, class... Overlap>
  [[gnu::always_inline]] void multiply(int64_t rows, const char* input, int64_t stride, const char* panel,
                                       int64_t steps, float* sums, Stride sums_stride, bool add, Overlap&... overlap) {
    for (int64_t row = 0; row < rows; row += block_rows) {
      const int64_t here = min(block_rows, rows - row);
      configure(here);
      multiply_tiles<Dot>(here, input + row * stride, stride, panel, steps, sums + row * sums_stride, sums_stride, add,
                          overlap...);
    }
  }

 private:
  int64_t configured_ = 0;

  [[gnu::always_inline]] void configure(int64_t rows) {
    if (rows == configured_) return;
    configure_tiles(min(tile_rows, rows), rows - tile_rows);
    configured_ = rows;
  }
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#endif
