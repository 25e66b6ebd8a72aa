#pragma once

#include "core/cancel.h"
#include "core/packed_batch.h"
#include "cuda/device_model.h"
#include "model/scoring_model.h"

namespace rank_distillm {

/// The first size of a block in tokens: `asked` or, for 0, as many as are fast and fit into the free memory.
int64_t first_block_tokens(const DeviceModel& model, int64_t asked);

/// Scores a batch in blocks without dropout, keeping no activations. If a block does not fit, it and `block_tokens`,
/// for all later ones, are halved. Throws `out_of_memory` if a single sequence does not fit.
Scores score_in_blocks(const DeviceModel& model, const PackedBatch& batch, int64_t& block_tokens, bool timed,
                       const CancelFlag& cancel);

}  // namespace rank_distillm
