#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/workers.h"
#include "model/config.h"
#include "model/cross_encoder.h"
#include "train/adamw.h"
#include "train/trainable_encoder.h"
#include "train/trainable_head.h"

namespace rank_distillm {

struct TrainerOptions {
  ModelOptions model;
  double hidden_dropout = 0;
  double attention_dropout = 0;
  double head_dropout = 0;
  int64_t padding_id = -1;  // its word embedding gets no gradient; -1: none
  uint32_t seed = 0;
};

/// Which of the flat arrays.
enum class FlatArray { values, gradients, first_moments, second_moments };

/// A cross-encoder that is trained: forward with or without dropout, backward written out by hand, AdamW.
class Trainer {
 public:
  Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors);

  /// Scores in evaluation, in blocks that are not kept.
  Scores score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel);

  struct Forward {
    Scores scores;
    int64_t kept = 0;  // names the state for `backward`; 0 when none is kept
  };

  /// Scores with the masks of `step`; `keep` holds what backward needs.
  Forward forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers, const CancelFlag& cancel);

  /// Adds the gradients of Σ gradient[i] · score[i] and lets the kept state go. gradient [sequences].
  Counters backward(int64_t kept, const std::vector<float>& gradient, Workers& workers);

  /// Lets a kept state go unused.
  void discard(int64_t kept);

  double gradient_norm(Workers& workers) const { return rank_distillm::gradient_norm(parameters_, workers); }
  void step(const AdamWStep& step, Workers& workers);
  void zero_gradients();

  const std::vector<ParameterPlace>& places() const { return parameters_.places(); }
  int64_t size() const { return parameters_.values().numel(); }
  std::vector<float> read(FlatArray array, int64_t offset, int64_t count) const;
  void write(FlatArray array, int64_t offset, const std::vector<float>& values);

  Precision precision() const { return precision_; }
  int64_t bytes() const { return parameters_.bytes() + encoder_.bytes(); }
  /// What one token's activations take while they are kept.
  int64_t bytes_per_token() const { return encoder_.bytes_per_token(); }

 private:
  struct State;

  at::Tensor run(State& state, bool keep, Workers& workers, const CancelFlag& cancel, Counters& counters);
  const at::Tensor& flat(FlatArray array) const;
  at::Tensor range(FlatArray array, int64_t offset, int64_t count) const;

  TrainerOptions options_;
  Precision precision_;
  Parameters parameters_;
  TrainableEncoder encoder_;
  TrainableHead head_;
  std::map<int64_t, std::shared_ptr<State>> kept_;
  int64_t next_kept_ = 1;
};

}  // namespace rank_distillm
