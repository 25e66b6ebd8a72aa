#pragma once

// Tiles of queries and keys for attention on tensor cores (the algorithm of FlashAttention 2, Dao 2023): a block of
// four warps takes 64 rows of a sequence and one head, each warp 16 of them in registers, and goes over the other side
// in chunks of 64 rows in shared memory. No matrix of scores is ever in memory. Rows in shared memory are eight numbers
// longer than they need to be, so that neither plain reads nor ldmatrix have bank conflicts.

#include "cuda/kernels/philox.cuh"
#include "cuda/kernels/tensor_core.cuh"

namespace rank_distillm::cuda {

constexpr int tile_warps = 4;
constexpr int tile_threads = tile_warps * warp_lanes;
constexpr int warp_rows = attention_tile / tile_warps;
constexpr float log2_e = 1.4426950408889634F;

/// A tile's rows; `first` counts within all rows of its side.
struct Tile {
  int sequence;
  int place;      // of its first row in the sequence
  int64_t first;  // its first row
  int rows;       // up to 64
};

RD_DEVICE Tile tile_of(const int32_t* tiles, const int32_t* offsets) {
  const int sequence = tiles[2 * block_x()], place = tiles[2 * block_x() + 1];
  const int length = offsets[sequence + 1] - offsets[sequence];
  const int left = length - place;
  return {sequence, place, offsets[sequence] + static_cast<int64_t>(place),
          left < attention_tile ? left : attention_tile};
}

/// True for a warp without valid rows: it only helps to load chunks.
RD_DEVICE bool is_idle(const Tile& tile) { return warp_index() * warp_rows >= tile.rows; }

template <int size>
constexpr int padded_size = size + 8;

/// A chunk of 64 rows of one head into shared memory, zeros beyond its rows and beyond the head. `head_size` may be
/// less than `size`, the kernel's largest.
template <int size, bool vector>
RD_DEVICE void load_chunk(Bf16* chunk, const HeadRows& rows, int64_t first, int count, int head, int head_size) {
  const auto* data = static_cast<const Bf16*>(rows.data) + first * rows.stride + static_cast<int64_t>(head) * head_size;
  constexpr int pieces = size / vector_size;
  for (int i = thread_index(); i < attention_tile * pieces; i += tile_threads) {
    const int row = i / pieces, column = i % pieces * vector_size;
    auto* to = chunk + row * padded_size<size> + column;
    if constexpr (vector) {
      Words words = {};
      if (row < count && column < head_size) words = *reinterpret_cast<const Words*>(data + row * rows.stride + column);
      *reinterpret_cast<Words*>(to) = words;
    } else {
#pragma unroll
      for (int k = 0; k < vector_size; ++k) {
        const bool there = row < count && column + k < head_size;
        to[k] = there ? data[row * rows.stride + column + k] : Bf16{0};
      }
    }
  }
}

RD_DEVICE uint32_t word_at(const Bf16* place) { return *reinterpret_cast<const uint32_t*>(place); }

/// The warp's 16 rows of a chunk in shared memory, as A.
template <int size>
RD_DEVICE void rows_as_a(uint32_t (&a)[size / 16][4], const Bf16* chunk) {
  const auto* rows = chunk + (warp_index() * warp_rows + lane_row()) * padded_size<size> + lane_pair();
#pragma unroll
  for (int k = 0; k < size / 16; ++k) {
#pragma unroll
    for (int i = 0; i < 4; ++i) a[k][i] = word_at(rows + i % 2 * 8 * padded_size<size> + k * 16 + i / 2 * 8);
  }
}

/// products [16, 64] = A [16, size] · chunkᵀ.
template <int size>
RD_DEVICE void multiply_transposed(float (&products)[8][4], const uint32_t (&a)[size / 16][4], const Bf16* chunk) {
#pragma unroll
  for (int n = 0; n < 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) products[n][i] = 0;
    const auto* row = chunk + (n * 8 + lane_row()) * padded_size<size> + lane_pair();
#pragma unroll
    for (int k = 0; k < size / 16; ++k) {
      const uint32_t b[2] = {word_at(row + k * 16), word_at(row + k * 16 + 8)};
      multiply_add(products[n], a[k], b);
    }
  }
}

/// sums [16, size] += weights [16, 64], rounded to bfloat16, · chunk [64, size].
template <int size>
RD_DEVICE void add_product(float (&sums)[size / 8][4], const float (&weights)[8][4], const Bf16* chunk) {
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const uint32_t a[4] = {pack(weights[2 * k][0], weights[2 * k][1]), pack(weights[2 * k][2], weights[2 * k][3]),
                           pack(weights[2 * k + 1][0], weights[2 * k + 1][1]),
                           pack(weights[2 * k + 1][2], weights[2 * k + 1][3])};
    const auto* row = chunk + (k * 16 + lane_index() % 16) * padded_size<size>;
#pragma unroll
    for (int n = 0; n < size / 8; ++n) {
      uint32_t b[2];
      load_transposed(b, row + n * 8);
      multiply_add(sums[n], a, b);
    }
  }
}

/// Over the four lanes that share a row.
RD_DEVICE float row_sum(float value) {
  value += shuffle_xor(value, 1);
  return value + shuffle_xor(value, 2);
}

RD_DEVICE float row_max(float value) {
  value = fmaxf(value, shuffle_xor(value, 1));
  return fmaxf(value, shuffle_xor(value, 2));
}

/// Writes the valid rows of the warp's sums [16, size] as rows of one head.
template <int size, bool vector>
RD_DEVICE void store_rows(const HeadRowsOut& rows, const float (&sums)[size / 8][4], int64_t first, int count, int head,
                          int head_size) {
  auto* data = static_cast<Bf16*>(rows.data) + static_cast<int64_t>(head) * head_size;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp_index() * warp_rows + lane_row() + half * 8;
    if (row >= count) continue;
    auto* of_row = data + (first + row) * rows.stride;
#pragma unroll
    for (int n = 0; n < size / 8; ++n) {
      const int column = n * 8 + lane_pair();
      const uint32_t word = pack(sums[n][2 * half], sums[n][2 * half + 1]);
      if constexpr (vector) {
        if (column < head_size) *reinterpret_cast<uint32_t*>(of_row + column) = word;
      } else {
        if (column < head_size) of_row[column] = {static_cast<uint16_t>(word)};
        if (column + 1 < head_size) of_row[column + 1] = {static_cast<uint16_t>(word >> 16)};
      }
    }
  }
}

/// `kept`: which of a lane's weights are kept, bit 4n + i for weights[n][i]. Those are multiplied by `dropout.kept` in
/// the float32 sums, so that no weight is rounded twice.
RD_DEVICE float if_kept(uint32_t kept, int n, int i, float weight) {
  return (kept >> (4 * n + i) & 1) != 0 ? weight : 0;
}

/// These bits for 16 queries by 64 keys, from key `first_key` (a multiple of 8) on. One draw is for four keys of a
/// query, which two lanes share, each of them for two queries: a lane draws for one of the two and gets the other's
/// from its neighbour.
RD_DEVICE uint32_t kept_weights(const DropRows& dropout, int sequence, int query, int first_key, int head) {
  const int half = lane_index() % 2;
  const RowMask mask = {static_cast<uint32_t>(query + lane_row() + half * 8),
                        static_cast<uint32_t>(dropout.pairs[sequence])};
  uint32_t own = 0;
#pragma unroll
  for (int n = 0; n < 8; ++n) {
    const auto group = static_cast<uint32_t>((first_key + n * 8 + lane_pair()) / 4);
    own |= kept_columns(dropout, mask, static_cast<uint32_t>(head), group) << 4 * n;
  }
  const uint32_t other = shuffle_xor(own, 1);
  constexpr uint32_t two_of_four = 0x33333333U;
  const uint32_t upper = (half == 0 ? own : other >> 2) & two_of_four;
  const uint32_t lower = (half == 0 ? other : own >> 2) & two_of_four;
  return upper | lower << 2;
}

/// The same with keys, from `key` (a multiple of 8) on, as rows and queries as columns. One draw is for four lanes,
/// each of which needs four: each draws for one of the four and gets the others' from those.
RD_DEVICE uint32_t kept_weights_transposed(const DropRows& dropout, int sequence, int first_query, int key, int head) {
  const int place = lane_row() % 4;
  const auto group = static_cast<uint32_t>((key + lane_row() + place / 2 * 8) / 4);
  uint32_t own = 0;
#pragma unroll
  for (int n = 0; n < 8; ++n) {
    const RowMask mask = {static_cast<uint32_t>(first_query + n * 8 + lane_pair() + place % 2),
                          static_cast<uint32_t>(dropout.pairs[sequence])};
    own |= kept_columns(dropout, mask, static_cast<uint32_t>(head), group) << 4 * n;
  }
  constexpr uint32_t one_of_four = 0x11111111U;
  uint32_t kept = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t drawn = shuffle(own, lane_index() + (i - place) * 4);
    kept |= (drawn >> place & one_of_four) << i;
  }
  return kept;
}

}  // namespace rank_distillm::cuda
