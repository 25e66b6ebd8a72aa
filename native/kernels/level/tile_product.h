#pragma once

// The same product on AMX's tiles: 32 rows × 32 outputs in four tiles of sums, 64 bytes of each row a step. Two tiles
// of inputs and two of weights are loaded for four products, so the products' unit is kept busy. Left-over rows get
// tiles of exactly their number.

#include "kernels/level/dot_product.h"

#if defined(__AMX_TILE__)

namespace rank_distillm::RANK_DISTILLM_LEVEL {

/// Layout that LDTILECFG reads.
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

template <class Dot>
[[gnu::noinline]] static void multiply_tiles(int64_t rows, const char* input, int64_t stride, const char* panel,
                                             int64_t steps, float* sums, int64_t sums_stride, bool add) {
  const bool lower = rows > 16;
  const int64_t sums_bytes = 4 * sums_stride;
  float* const second = sums + 16 * sums_stride;
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
  for (int64_t step = 0; step < steps; step += 16, input += 64, panel += 64 * panel_width) {
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
    if (!lower) continue;
    _tile_loadd(5, input + 16 * stride, stride);
    if constexpr (Dot::group == 2) {
      _tile_dpbf16ps(2, 5, 6);
      _tile_dpbf16ps(3, 5, 7);
    } else {
      _tile_dpbusd(2, 5, 6);
      _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, sums, sums_bytes);
  _tile_stored(1, sums + 16, sums_bytes);
  if (lower) {
    _tile_stored(2, second, sums_bytes);
    _tile_stored(3, second + 16, sums_bytes);
  }
}

/// A product on tiles. Its panels are those of the vector product, in multiples of 16 steps.
template <class Dot>
struct OnTiles : Dot {
  RD_INLINE void multiply(int64_t rows, const char* input, int64_t stride, const char* panel, int64_t steps,
                          float* sums, int64_t sums_stride, bool add) {
    int64_t row = 0;
    if (rows >= 32) configure_tiles(16, 16);
    for (; row + 32 <= rows; row += 32) {
      multiply_tiles<Dot>(32, input + row * stride, stride, panel, steps, sums + row * sums_stride, sums_stride, add);
    }
    const int64_t left = rows - row;
    if (left == 0) return;
    configure_tiles(left < 16 ? left : 16, left - 16);
    multiply_tiles<Dot>(left, input + row * stride, stride, panel, steps, sums + row * sums_stride, sums_stride, add);
  }
};

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#endif
