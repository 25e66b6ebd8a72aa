#pragma once

#include "core/counters.h"
#include "model/config.h"
#include "model/linear.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace rank_distillm {

/// Rows of a pass through a head, all float32. Scoring has no `before`.
struct HeadRows {
  Rows input;   // [sequences, hidden], the pooled rows
  Rows before;  // [sequences, hidden], the dense layer's output before gelu or relu; the output of tanh
  Rows hidden;  // [sequences, hidden], the dense layer's output
  Rows logits;  // [sequences, outputs]
};

/// The part of a dense layer's activation that its product computes: tanh is computed after it.
Epilogue head_epilogue(HeadActivation activation);

/// From one pooled row per sequence to one score per sequence, in float32 whatever the encoder computes in. The layers
/// are those of a model that scores (Head) or that is trained (train/trainable_head.h).
class HeadForward {
 public:
  HeadForward(const EncoderConfig& encoder, const HeadConfig& config) : config_(config), hidden_(encoder.hidden_size) {}

  bool has_dense() const { return !config_.dense.empty(); }
  /// All labels, or only the one that scores.
  int64_t outputs() const { return config_.log_softmax ? config_.labels : 1; }
  int64_t hidden() const { return hidden_; }
  const HeadConfig& config() const { return config_; }

  /// Fills `rows.before` and `rows.hidden`.
  void dense(int64_t sequences, const PackedMatrix& layer, const HeadRows& rows, Counters& counters) const;

  /// Fills `rows.logits` and the scores [sequences]: logits or log-probabilities of the label.
  void output(int64_t sequences, const PackedMatrix& layer, const HeadRows& rows, float* scores,
              Counters& counters) const;

 private:
  HeadConfig config_;
  int64_t hidden_;
};

class Head {
 public:
  Head(const EncoderConfig& encoder, const HeadConfig& config, Weights& weights);

  /// pooled [sequences, hidden] float32 → scores [sequences].
  void forward(int64_t sequences, const Rows& pooled, float* scores, Workspace& workspace, Counters& counters) const;

 private:
  HeadForward layers_;
  Linear dense_;  // undefined if the head has one layer
  Linear output_;
};

}  // namespace rank_distillm
