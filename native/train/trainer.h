#pragma once

#include <map>
#include <memory>
#include <vector>

#include "train/trainable_encoder.h"
#include "train/trainable_head.h"
#include "train/training_model.h"

namespace rank_distillm {

/// Training on the CPU.
class Trainer : public TrainingModel {
 public:
  Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors, Workers& workers);

  Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) override;
  Forward forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers, const CancelFlag& cancel) override;
  Counters backward(int64_t kept, const std::vector<float>& gradient, Workers& workers,
                    const GradientSums* sums) override;
  void sum_gradients(const GradientSums& sums) override;
  void discard(int64_t kept) override;
  double gradient_norm(Workers& workers) const override;
  void step(const AdamWStep& step, Workers& workers) override;

  void zero_gradients() override;
  const ParameterLayout& layout() const override { return parameters_.layout(); }
  int64_t bytes() const override { return parameters_.bytes() + encoder_.bytes(); }
  int64_t bytes_per_token() const override { return encoder_.bytes_per_token(); }
  int64_t tokens_per_part() const override;

 private:
  struct State;

  std::vector<float> run(State& state, bool keep, Workers& workers, const CancelFlag& cancel, Counters& counters);
  GradientHandover handover(const GradientSums* sums) const;
  void weights_changed();
  std::vector<float> read_part(FlatArray array, int64_t offset, int64_t count) const override;
  void write_part(FlatArray array, int64_t offset, const std::vector<float>& values) override;

  Parameters parameters_;
  TrainableEncoder encoder_;
  TrainableHead head_;
  std::vector<GradientBucket> buckets_;
  std::map<int64_t, std::shared_ptr<State>> kept_;
  int64_t next_kept_ = 1;
};

}  // namespace rank_distillm
