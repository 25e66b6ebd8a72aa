#pragma once

#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/workers.h"
#include "model/config.h"
#include "model/scoring_model.h"
#include "train/adamw.h"
#include "train/gradient_buckets.h"
#include "train/parameters.h"
#include "train/training_batch.h"

namespace rank_distillm {

struct TrainerOptions {
  ModelOptions model;
  DropoutRates dropout;     // without a step
  int64_t padding_id = -1;  // its word embedding gets no gradient; -1: none

  DropoutRates rates(uint32_t step) const { return {dropout.rates, dropout.seed, step}; }
};

/// A cross-encoder that is trained: forward with or without dropout, hand-written backward, AdamW. On the CPU
/// (trainer.h) or on a device (cuda/device_trainer.h).
class TrainingModel {
 public:
  TrainingModel(const TrainerOptions& options, ElementType precision) : options_(options), precision_(precision) {}
  virtual ~TrainingModel() = default;
  TrainingModel(const TrainingModel&) = delete;
  TrainingModel& operator=(const TrainingModel&) = delete;

  /// Scores without dropout; keeps no activations.
  virtual Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) = 0;

  struct Forward {
    Scores scores;
    int64_t kept = 0;  // names the state for `backward`; 0 when none is kept
  };

  /// Scores with the dropout masks of `step`; `keep` keeps the state for backward. If it throws `out_of_memory`
  /// (devices only), it keeps nothing of the batch.
  virtual Forward forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers,
                          const CancelFlag& cancel) = 0;

  /// Adds the gradients of Σ gradient[i] · score[i] and frees the kept state. gradient [sequences]. With `sums`
  /// each range of the gradients begins to be summed as soon as it is complete; until the sums have ended nothing else
  /// may use the gradients.
  virtual Counters backward(int64_t kept, const std::vector<float>& gradient, Workers& workers,
                            const GradientSums* sums) = 0;

  /// Begins to sum all gradients, as a backward with `sums` does.
  virtual void sum_gradients(const GradientSums& sums) = 0;

  /// Frees a kept state unused.
  virtual void discard(int64_t kept) = 0;

  virtual double gradient_norm(Workers& workers) const = 0;
  virtual void step(const AdamWStep& step, Workers& workers) = 0;
  virtual void zero_gradients() = 0;

  virtual const ParameterLayout& layout() const = 0;
  /// Throw `bad_input` for a range outside the array.
  std::vector<float> read(FlatArray array, int64_t offset, int64_t count) const;
  void write(FlatArray array, int64_t offset, const std::vector<float>& values);

  ElementType precision() const { return precision_; }
  virtual int64_t bytes() const = 0;
  /// Bytes of one token's activations while they are kept.
  virtual int64_t bytes_per_token() const = 0;
  /// The best number of tokens to compute together.
  virtual int64_t tokens_per_part() const = 0;
  /// Bytes that activations may take on a device; 0 if they are in the host's memory.
  virtual int64_t activation_bytes() const { return 0; }

 protected:
  /// Throws `bad_input` for a batch that does not fit the model.
  void check(const TrainingBatch& batch) const;

  TrainerOptions options_;
  ElementType precision_;

 private:
  virtual std::vector<float> read_part(FlatArray array, int64_t offset, int64_t count) const = 0;
  virtual void write_part(FlatArray array, int64_t offset, const std::vector<float>& values) = 0;
  void check_range(int64_t offset, int64_t count) const;
};

}  // namespace rank_distillm
