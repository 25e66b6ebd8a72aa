#pragma once

#include "core/cancel.h"
#include "core/packed_batch.h"
#include "cuda/device_model.h"
#include "model/scoring_model.h"

namespace rank_distillm {

/// Tokens that go through a model together at first: `asked` or, for 0, what is fast and fits into the free memory.
int64_t first_block_tokens(const DeviceModel& model, int64_t asked);

/// Scores a batch in blocks without dropout, keeping nothing. A block that does not fit is halved and tried again, and
/// so is `block_tokens` for all later ones. Throws `out_of_memory` where a single sequence does not fit.
Scores score_in_blocks(const DeviceModel& model, const PackedBatch& batch, int64_t& block_tokens, bool timed,
                       const CancelFlag& cancel);

}  // namespace rank_distillm
