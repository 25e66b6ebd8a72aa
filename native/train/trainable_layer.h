#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/cancel.h"
#include "model/config.h"
#include "model/workspace.h"
#include "ops/layer_norm_training.h"
#include "train/packed_linear.h"
#include "train/training_batch.h"
#include "train/weight_gradient.h"

namespace rank_distillm {

TrainableNorm trainable_norm(const Parameters& parameters, const std::string& name, int64_t size, double eps);

/// Rows between two layers. The residual stream is float32, so that rounding errors do not add up over the layers; the
/// products read its copy in their type. In float32 both are the same rows.
struct HiddenRows {
  Rows exact;
  Rows compute;
};

/// A block that goes through the layers on the calling thread.
struct BlockPass {
  const BatchRows& batch;
  const Block& block;
  const DropoutRates& dropout;
  Workspace& workspace;
  Counters& counters;
};

/// Kept by a layer's forward for its backward; products' inputs in their type. `rows` are the block's tokens or, in a
/// last layer that computes first rows only, its sequences, whose products are float32.
struct LayerState {
  Rows input;                // [tokens, hidden]
  Rows first;                // [rows, hidden] float32, the inputs of the queries; first rows only
  Rows query;                // [rows, hidden] in the attention's type, as keys and values
  Rows kv;                   // [tokens, 2 · hidden]
  float* softmax = nullptr;  // [rows, heads, 2]
  Rows context;              // [rows, hidden]
  HiddenRows attended;       // [rows, hidden]
  Rows widened;              // [rows, intermediate], before the activation, which backward recomputes
  HiddenRows output;         // [rows, hidden]
  NormState attention_norm;
  NormState output_norm;
};

/// The range of a block's tokens and sequences among the rows of a whole part, for the gradients of weights.
struct GradientPlace {
  int64_t first_token = 0;
  int64_t end_token = 0;
  int64_t first_sequence = 0;
  int64_t end_sequence = 0;
};

/// The gradients of one layer's weights over all rows of a part.
struct LayerGradients {
  std::vector<WeightGradient> linears;
  int64_t sequences = 0;
  float* attention_norm = nullptr;  // [sequences, 2, hidden]: of LayerNorm's weight and bias
  float* output_norm = nullptr;
};

/// One layer of the encoder with its backward. The last one may compute each sequence's first row only, as in scoring
/// (model/encoder.h): keys and values of all tokens, the rest for one row, in float32.
class TrainableLayer {
 public:
  TrainableLayer(const EncoderConfig& config, int64_t index, bool first_rows_only, ElementType type,
                 const Parameters& parameters);

  /// Some may be undefined.
  auto& linears() { return linears_; }
  const auto& linears() const { return linears_; }
  bool first_rows_only() const { return first_rows_only_; }

  /// Memory for a block's state, all but `input`.
  LayerState state(const Block& block, Arena& arena) const;
  /// Memory for the gradients of a part of `sequences`; `token_rows` and `first_rows` include padding.
  LayerGradients gradients(int64_t sequences, int64_t token_rows, int64_t first_rows, Arena& arena) const;

  /// Fills `state` and returns its output. `input` may be the output of the same state, which then cannot be used for
  /// backward.
  HiddenRows forward(const BlockPass& pass, const HiddenRows& input, LayerState& state) const;

  /// `gradient` [rows, hidden] float32 of the output becomes that of the input, which for first rows only is
  /// `token_gradient` [tokens, hidden] float32. Places the rows for the weights' gradients, which add_gradients
  /// computes.
  void backward(const BlockPass& pass, const GradientPlace& place, const Rows& gradient, const Rows& token_gradient,
                const LayerState& state, const LayerGradients& gradients) const;

  int64_t gradient_tasks(const LayerGradients& gradients) const;
  void add_gradients(const LayerGradients& gradients, int64_t task, Counters& counters) const;

 private:
  enum Linear : uint8_t { down, up, attention_output, query, key_value, count };

  int64_t rows_of(const Block& block) const { return first_rows_only_ ? block.sequences : block.tokens; }
  const RowId* ids_of(const BlockPass& pass) const;
  Rows columns(const Rows& rows, int64_t first) const;
  template <typename Body>
  void each_sequence(const BlockPass& pass, const Body& body) const;
  void attend(const BlockPass& pass, const LayerState& state, const Rows& context) const;
  void attend_backward(const BlockPass& pass, const LayerState& state, const Rows& gradient, const Rows& query_gradient,
                       const Rows& kv_gradient) const;

  int64_t index_;
  bool first_rows_only_;
  int64_t heads_;
  int64_t hidden_;
  int64_t intermediate_;
  Epilogue activation_;
  ElementType type_;       // of all tokens' values
  ElementType rows_type_;  // of `rows`' values
  std::array<PackedLinear, count>
      linears_;  // without separate queries `key_value` is [3 · hidden, hidden], queries first
  TrainableNorm attention_norm_;
  TrainableNorm output_norm_;
};

}  // namespace rank_distillm
