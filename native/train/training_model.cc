#include "train/training_model.h"

#include "core/error.h"

namespace rank_distillm {

void TrainingModel::check(const TrainingBatch& batch) const {
  const auto& config = options_.model.encoder;
  check_batch(batch.packed, config.vocab_size, config.type_vocab_size, config.max_positions);
  if (static_cast<int64_t>(batch.pairs.size()) != batch.packed.sequences()) {
    throw bad_input("pairs must have one number for each sequence");
  }
}

void TrainingModel::check_range(int64_t offset, int64_t count) const {
  if (offset < 0 || count < 0 || offset > layout().size() - count) {
    throw bad_input("the range lies outside the " + std::to_string(layout().size()) + " numbers of the model");
  }
}

std::vector<float> TrainingModel::read(FlatArray array, int64_t offset, int64_t count) const {
  check_range(offset, count);
  return read_part(array, offset, count);
}

void TrainingModel::write(FlatArray array, int64_t offset, const std::vector<float>& values) {
  check_range(offset, static_cast<int64_t>(values.size()));
  write_part(array, offset, values);
}

}  // namespace rank_distillm
