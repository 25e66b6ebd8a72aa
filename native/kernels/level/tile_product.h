#pragma once

// The same product on AMX tiles: 32 rows × 32 outputs in four tiles of sums, 64 bytes of each row per step. Two tiles
// of inputs and two of weights are loaded for four products, which take 64 cycles. Remaining rows get tiles of exactly
// their number.

#include "kernels/level/gemm.h"

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

/// The sums of a block of rows.
struct TileSums {
  float* data = nullptr;
  int64_t stride = 0;  // in numbers

  /// Where tile 0, 1, 2 or 3 begins.
  float* of(int64_t tile) const { return data + tile / 2 * tile_rows * stride + tile % 2 * 16; }
};

// GCC 12 takes the number of a tile only as it is written in the text.
#define RD_ADD_PRODUCT(sums, input, weights) \
  if constexpr (Dot::group == 2) {           \
    _tile_dpbf16ps(sums, input, weights);    \
  } else {                                   \
    _tile_dpbusd(sums, input, weights);      \
  }
#define RD_STORE_SUMS(tile, sums) \
  if ((sums).data != nullptr) _tile_stored(tile, (sums).of(tile), 4 * (sums).stride);
#define RD_BEGIN_SUMS(tile)                              \
  if constexpr (is_first) {                              \
    RD_STORE_SUMS(tile, before)                          \
    if (add) {                                           \
      _tile_loadd(tile, sums.of(tile), 4 * sums.stride); \
    } else {                                             \
      _tile_zero(tile);                                  \
    }                                                    \
  }

/// Sums of one block, which stay in the tiles. Those of the block before are stored between the first products, which
/// hides the stores.
template <class Dot, bool lower, class... Overlap>
[[gnu::noinline]] static void multiply_tiles(const char* input, int64_t stride, const char* panel, int64_t steps,
                                             const TileSums& before, const TileSums& sums, bool add,
                                             Overlap&... overlap) {
  const auto add_step = [&](auto is_first) __attribute__((always_inline)) {
    _tile_loadd(4, input, stride);
    _tile_loadd(6, panel, 4 * panel_width);
    RD_BEGIN_SUMS(0)
    RD_ADD_PRODUCT(0, 4, 6)
    _tile_loadd(7, panel + 64, 4 * panel_width);
    RD_BEGIN_SUMS(1)
    RD_ADD_PRODUCT(1, 4, 7)
    if constexpr (lower) {
      _tile_loadd(5, input + tile_rows * stride, stride);
      RD_BEGIN_SUMS(2)
      RD_ADD_PRODUCT(2, 5, 6)
      RD_BEGIN_SUMS(3)
      RD_ADD_PRODUCT(3, 5, 7)
    }
    (overlap(), ...);
  };
  add_step(std::true_type{});
  for (steps -= tile_steps; steps > 0; steps -= tile_steps) {
    input += 64;
    panel += 64 * panel_width;
    add_step(std::false_type{});
  }
}

/// A product on tiles, with the vector product's panels in multiples of 16 steps.
template <class Dot>
struct TileProduct : Dot {
  /// Block sizes of gemm.h. Tiles take 64 bytes a cycle, which the second-level cache delivers only where rows are read
  /// in long pieces and half of the operands are cached nearer: 512 bytes of a panel (16 KiB) stay in the first-level
  /// cache while the group's rows are multiplied with them.
  static constexpr bool leaves_vectors_free = true;
  static constexpr int64_t group_rows = 256;

  /// Rows that take five eighths of a second-level cache of 2 MiB, in equal chunks: panels come from memory once per
  /// chunk.
  RD_INLINE int64_t chunk_rows(int64_t rows, int64_t row_bytes) {
    const int64_t most = whole_groups<block_rows>((int64_t{5} << 18) / row_bytes), chunks = (rows + most - 1) / most;
    return round_up((rows + chunks - 1) / chunks, block_rows);
  }
  RD_INLINE int64_t chunk_steps(int64_t steps) { return steps <= 192 ? steps : 128; }
  /// Remaining rows, which need other tiles, are a separate group: reconfiguring costs as much as several products.
  RD_INLINE int64_t rows_of_group(int64_t left) {
    return left < block_rows ? left : min(group_rows, left / block_rows * block_rows);
  }
  /// How often `overlap` is called.
  RD_INLINE int64_t calls(int64_t rows, int64_t steps) {
    return (rows + block_rows - 1) / block_rows * (steps / tile_steps);
  }

  /// The sums are in memory after `flush`.
  template <class Stride, class... Overlap>
  [[gnu::always_inline]] void multiply(int64_t rows, const char* input, int64_t stride, const char* panel,
                                       int64_t steps, float* sums, Stride sums_stride, bool add, Overlap&... overlap) {
    for (int64_t row = 0; row < rows; row += block_rows) {
      const int64_t here = min(block_rows, rows - row);
      configure(here);
      const TileSums own = {sums + row * sums_stride, sums_stride};
      const auto multiply_block = here > tile_rows ? multiply_tiles<Dot, true, Overlap...>  //
                                                   : multiply_tiles<Dot, false, Overlap...>;
      multiply_block(input + row * stride, stride, panel, steps, pending_, own, add, overlap...);
      pending_ = own;
    }
  }

  /// The last steps of a group of rows, whose sums so far are at `group.sums`. A block's epilogue is done while the
  /// next block is multiplied, from sums that are still in the first-level cache, and before others take their place.
  template <class Overlap>
  [[gnu::always_inline]] void multiply_last(const Group& group, const char* input, int64_t stride, const char* panel,
                                            int64_t steps, bool add, Overlap& overlap) {
    for (int64_t row = 0; row < group.rows; row += block_rows) {
      const int64_t here = min(block_rows, group.rows - row);
      const Group block = {group.row + row, here, group.column, group.sums + row * panel_width};
      overlap.fetch_output_within(block, steps / tile_steps);
      multiply(here, input + row * stride, stride, panel, steps, block.sums,
               std::integral_constant<int64_t, panel_width>{}, add, overlap);
      overlap.take(block, steps / tile_steps);
    }
  }

  [[gnu::always_inline]] void flush() {
    RD_STORE_SUMS(0, pending_)
    RD_STORE_SUMS(1, pending_)
    if (configured_ > tile_rows) {
      RD_STORE_SUMS(2, pending_)
      RD_STORE_SUMS(3, pending_)
    }
    pending_ = {};
  }

 private:
  int64_t configured_ = 0;
  TileSums pending_;

  [[gnu::always_inline]] void configure(int64_t rows) {
    if (rows == configured_) return;
    flush();
    configure_tiles(min(tile_rows, rows), rows - tile_rows);
    configured_ = rows;
  }
};

#undef RD_ADD_PRODUCT
#undef RD_STORE_SUMS
#undef RD_BEGIN_SUMS

}  // namespace rank_distillm::RANK_DISTILLM_LEVEL

#endif
