#pragma once

#include <napi.h>

#include <vector>

#include "core/packed_batch.h"
#include "model/config.h"
#include "model/weights.h"

namespace rank_distillm {

/// JavaScript values into plain structs; each throws Napi::TypeError naming the key that is wrong.
PackedBatch read_packed_batch(const Napi::Value& value);
ModelOptions read_model_options(const Napi::Object& options);
std::vector<TensorSource> read_tensors(const Napi::Value& value);
Precision read_precision(const Napi::Value& value);

}  // namespace rank_distillm
