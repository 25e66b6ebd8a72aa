#include "train/training_model.h"

#include <ATen/ops/from_blob.h>

#include "core/error.h"

namespace rank_distillm {

TrainingModel::TrainingModel(const TrainerOptions& options, ElementType precision, Parameters parameters)
    : options_(options), precision_(precision), parameters_(std::move(parameters)) {}

void TrainingModel::check(const TrainingBatch& batch) const {
  const auto& config = options_.model.encoder;
  check_batch(batch.packed, config.vocab_size, config.type_vocab_size, config.max_positions);
  if (static_cast<int64_t>(batch.pairs.size()) != batch.packed.sequences()) {
    throw bad_input("pairs must have one number for each sequence");
  }
}

void TrainingModel::zero_gradients() { parameters_.gradients().zero_(); }

const at::Tensor& TrainingModel::flat(FlatArray array) const {
  switch (array) {
    case FlatArray::values:
      return parameters_.values();
    case FlatArray::gradients:
      return parameters_.gradients();
    case FlatArray::first_moments:
      return parameters_.first_moments();
    case FlatArray::second_moments:
      return parameters_.second_moments();
  }
  return parameters_.values();
}

at::Tensor TrainingModel::range(FlatArray array, int64_t offset, int64_t count) const {
  if (offset < 0 || count < 0 || offset > size() - count) {
    throw bad_input("the range lies outside the " + std::to_string(size()) + " numbers of the model");
  }
  return flat(array).narrow(0, offset, count);
}

std::vector<float> TrainingModel::read(FlatArray array, int64_t offset, int64_t count) const {
  const auto part = range(array, offset, count).cpu();
  return {part.const_data_ptr<float>(), part.const_data_ptr<float>() + count};
}

void TrainingModel::write(FlatArray array, int64_t offset, const std::vector<float>& values) {
  const auto count = static_cast<int64_t>(values.size());
  range(array, offset, count).copy_(at::from_blob(const_cast<float*>(values.data()), {count}, at::kFloat));
  if (array == FlatArray::values) weights_changed();
}

}  // namespace rank_distillm
