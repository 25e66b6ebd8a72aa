#pragma once

#include <cstdint>

#include "model/config.h"
#include "ops/layer_norm_training.h"
#include "train/parameters.h"
#include "train/training_batch.h"

namespace rank_distillm {

struct TrainableNorm {
  LayerNorm norm;
  NormGradients gradients;
};

TrainableNorm trainable_norm(const Parameters& parameters, const std::string& name, int64_t size, double eps);

/// What a layer's backward needs of its forward; activations in the compute dtype.
struct LayerState {
  at::Tensor input;     // [tokens, hidden]
  at::Tensor rows;      // [rows, hidden], the inputs that queries are made of
  at::Tensor query;     // [rows, hidden]
  at::Tensor kv;        // [tokens, 2 · hidden]
  at::Tensor softmax;   // [rows, heads, 2] float32
  at::Tensor context;   // [rows, hidden]
  at::Tensor attended;  // [rows, hidden]
  at::Tensor widened;   // [rows, intermediate], before the activation, which is recomputed
  NormState attention_norm;
  NormState output_norm;
};

/// One layer of the encoder with its backward. The last one may work for each sequence's first row only, as the
/// engine that scores does (model/encoder.h): keys and values of all tokens, the rest for one row.
class TrainableLayer {
 public:
  TrainableLayer(const EncoderConfig& config, int64_t index, bool first_rows_only, at::ScalarType compute_type,
                 const Parameters& parameters);

  HiddenState forward(const HiddenState& input, const BatchRows& rows, const DropoutRates& dropout, LayerState& state,
                      Counters& counters) const;

  /// Overwrites `gradient`, that of the output [rows, hidden] float32; returns that of the input [tokens, hidden].
  at::Tensor backward(const at::Tensor& gradient, const BatchRows& rows, const DropoutRates& dropout,
                      const LayerState& state, Counters& counters) const;

 private:
  AttentionInputs columns(const at::Tensor& query, const at::Tensor& kv) const;

  int64_t index_;
  bool first_rows_only_;
  int64_t heads_;
  int64_t hidden_;
  Activation activation_;
  at::ScalarType compute_type_;
  TrainableLinear query_;
  TrainableLinear kv_;  // [2 · hidden, hidden]
  TrainableLinear attention_output_;
  TrainableNorm attention_norm_;
  TrainableLinear up_;
  TrainableLinear down_;
  TrainableNorm output_norm_;
};

}  // namespace rank_distillm
