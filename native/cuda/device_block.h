#pragma once

#include <ATen/core/Tensor.h>

#include "core/packed_batch.h"
#include "cuda/device.h"

namespace rank_distillm {

/// Sequences of attention's queries or keys, on the device.
struct AttentionRows {
  at::Tensor offsets;  // [sequences + 1] int32
  at::Tensor tiles;    // [tiles, 2] int32: a sequence, and the first of up to 64 of its rows (kernels.h)
  int64_t longest = 0;
};

/// The pair and token of each row, on the device, which key its dropout mask (ops/dropout.h).
struct DeviceRowIds {
  at::Tensor pairs;   // [rows] int32; undefined without dropout
  at::Tensor tokens;  // [rows] int32
};

/// A block's numbers on the device, copied there at once.
struct DeviceBlock {
  /// `pairs`: each sequence's number in the step's whole batch, from the block's first on; null without
  /// dropout. `first_position` as in EncoderConfig.
  DeviceBlock(const PackedBatch& batch, const Block& block, const uint32_t* pairs, const Device& device,
              int64_t first_position = 0);

  int64_t sequences;
  int64_t tokens;
  at::Tensor ids;           // [tokens] int32
  at::Tensor types;         // [tokens] int32
  at::Tensor first_tokens;  // [sequences] int64, the row of each sequence's first token
  at::Tensor positions;     // [tokens] int32, rows of the position table
  DeviceRowIds rows;        // [tokens]
  DeviceRowIds first_rows;  // [sequences]
  AttentionRows all;        // every token
  AttentionRows first;      // each sequence's first token
};

}  // namespace rank_distillm
