#pragma once

#include <map>
#include <memory>
#include <vector>

#include "cuda/device_model.h"
#include "train/training_model.h"

namespace rank_distillm {

/// Training on a GPU. AdamW and the gradients' norm use LibTorch's fused ops over the flat arrays.
class DeviceTrainer : public TrainingModel {
 public:
  /// Throws `bad_input`, `unsupported`, `out_of_memory`.
  DeviceTrainer(const TrainerOptions& options, std::vector<TensorSource> tensors, Workers& workers);

  Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) override;
  Forward forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers, const CancelFlag& cancel) override;
  Counters backward(int64_t kept, const std::vector<float>& gradient, Workers& workers,
                    const GradientSums* sums) override;
  void sum_gradients(const GradientSums& sums) override;
  void discard(int64_t kept) override { kept_.erase(kept); }
  double gradient_norm(Workers& workers) const override;
  void step(const AdamWStep& step, Workers& workers) override;

  void zero_gradients() override;
  const ParameterLayout& layout() const override { return parameters_.layout(); }
  int64_t bytes() const override { return parameters_.bytes() + model_.encoder().bytes(); }
  int64_t bytes_per_token() const override { return model_.encoder().kept_bytes_per_token(); }
  int64_t tokens_per_part() const override;
  int64_t activation_bytes() const override { return activation_bytes_; }

 private:
  struct Kept;

  DeviceTrainer(const TrainerOptions& options, const Device& device, std::vector<TensorSource> tensors,
                Workers& workers);
  GradientHandover handover(const GradientSums* sums) const;
  int64_t kept_tokens() const;
  /// Throws without room for backward's temporaries: a backward that fails midway cannot be repeated.
  void try_room(int64_t bytes) const;
  std::vector<float> read_part(FlatArray array, int64_t offset, int64_t count) const override;
  void write_part(FlatArray array, int64_t offset, const std::vector<float>& values) override;
  bool tf32() const { return options_.model.device.tf32; }

  DeviceParameters parameters_;
  DeviceModel model_;
  int64_t block_tokens_;
  int64_t activation_bytes_;
  std::vector<GradientBucket> buckets_;
  at::Tensor steps_;  // the step count of the fused AdamW, on the device
  std::map<int64_t, std::shared_ptr<Kept>> kept_;
  int64_t next_kept_ = 1;
};

}  // namespace rank_distillm
