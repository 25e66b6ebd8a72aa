#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/packed_batch.h"
#include "model/config.h"
#include "model/weights.h"
#include "train/training_model.h"

namespace rank_distillm {

/// Convert JavaScript values to structs. They throw a Napi::TypeError that names the wrong key.
PackedBatch read_packed_batch(const Napi::Value& value);
TrainingBatch read_training_batch(const Napi::Value& value);
TrainerOptions read_trainer_options(const Napi::Object& options);
AdamWStep read_adamw_step(const Napi::Value& value);
FlatArray read_flat_array(const Napi::Value& value);
std::vector<float> read_floats(const Napi::Value& value, const std::string& key);
int64_t read_integer(const Napi::Value& value, const std::string& key);
ModelOptions read_model_options(const Napi::Object& options);
std::vector<TensorSource> read_tensors(const Napi::Value& value);
ElementType read_precision(const Napi::Value& value);

}  // namespace rank_distillm
