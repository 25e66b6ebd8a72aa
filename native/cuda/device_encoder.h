#pragma once

#include <string>
#include <vector>

#include "core/cancel.h"
#include "core/counters.h"
#include "cuda/device.h"
#include "cuda/device_block.h"
#include "cuda/op_clock.h"
#include "cuda/ops/attention.h"
#include "cuda/ops/embedding.h"
#include "cuda/ops/linear.h"
#include "cuda/ops/norm.h"
#include "model/config.h"
#include "model/encoder.h"
#include "train/gradient_buckets.h"
#include "train/training_batch.h"

namespace rank_distillm {

/// Kept by a layer's forward for its backward; rows as in the pass.
struct DeviceLayerState {
  at::Tensor input;           // [tokens, hidden], the products' input
  at::Tensor first;           // [sequences, hidden] float32, the queries' input; first rows only
  AttentionInputs attention;  // queries, keys and values; columns of one tensor if all tokens have queries
  AttentionOutput attended;
  at::Tensor context;  // [rows, hidden], the input of the output's product
  at::Tensor narrow;   // [rows, hidden]
  at::Tensor before;   // [rows, intermediate], before the activation, which backward recomputes
  DeviceNormState attention_norm;
  DeviceNormState output_norm;
};

/// A block's activations, kept for its backward.
struct DeviceEncoderState {
  DeviceNormState embedding_norm;
  at::Tensor embedded;  // [tokens, embedding] float32; only with a projection
  std::vector<DeviceLayerState> layers;
  at::Tensor last;  // [tokens, hidden] float32; for pooling over all tokens only
};

/// A block that is being computed.
struct DevicePass {
  const DeviceBlock& block;
  const DropoutRates& dropout;
  const CancelFlag& cancel;
  Counters& counters;
  OpClock& clock;
};

/// The encoder of model/encoder.h and train/trainable_encoder.h on tensors of a device, one class for scoring and
/// training, since a GPU gains nothing from overlapping the work of one block. Large blocks go through layer after
/// layer; float32 residual stream (in bf16-true bfloat16), products in `compute`, first rows of the last layer in
/// float32, as on the CPU.
class DeviceEncoder {
 public:
  /// `parameters` on the device, trained or not.
  DeviceEncoder(const EncoderConfig& config, RowsNeeded rows, const DeviceTypes& types, int64_t padding_id,
                const DeviceParameters& parameters);

  /// Copies the parameters' values; to be called before the first forward and after each change.
  void weights_changed();

  /// Last hidden state in float32: [tokens, hidden], or [sequences, hidden] where only first rows are needed. Fills
  /// `state`, if given, for the backward. Throws `aborted` between layers.
  at::Tensor forward(const DevicePass& pass, DeviceEncoderState* state) const;

  /// Adds the gradients of all parameters from that of forward's result (float32, overwritten). Consumes the state.
  void backward(const DevicePass& pass, DeviceEncoderState& state, at::Tensor gradient,
                const LayerDone& layer_done) const;

  const EncoderConfig& config() const { return config_; }

  /// Bytes per token: kept for the backward, and the peak of temporaries.
  int64_t kept_bytes_per_token() const;
  int64_t passing_bytes_per_token() const;
  /// Bytes of a backward's temporaries that do not depend on its tokens.
  int64_t backward_bytes() const;
  /// Bytes of the weights in the products' type.
  int64_t bytes() const { return compute_values_.defined() ? static_cast<int64_t>(compute_values_.nbytes()) : 0; }

 private:
  struct Layer {
    DeviceLinear query;  // float32; first rows only
    DeviceLinear qkv;    // [3 · hidden, hidden]; only keys and values if only first rows have queries
    DeviceLinear attention_output, up, down;
    DeviceNorm attention_norm, output_norm;
    bool first_rows_only = false;
  };

  Layer take_layer(int64_t index, bool first_rows_only) const;
  DeviceLinear take_linear(const std::vector<std::string>& names, int64_t out, int64_t in, at::ScalarType type) const;
  DeviceNorm take_norm(const std::string& name, int64_t size) const;
  DeviceTable take_table(const std::string& name, int64_t size) const;
  DeviceAttention attention_of(const DevicePass& pass, const Layer& layer, int64_t index) const;

  DeviceHidden embed_block(const DevicePass& pass, DeviceEncoderState* state) const;
  DeviceHidden attend(const DevicePass& pass, int64_t index, const DeviceHidden& hidden, DeviceLayerState* state) const;
  DeviceHidden feed_forward(const DevicePass& pass, int64_t index, const DeviceHidden& hidden,
                            DeviceLayerState* state) const;
  /// The gradient of the residual stream, float32: the sum of the two.
  struct Gradient {
    at::Tensor exact;
    at::Tensor more;  // in the products' type; or undefined
  };

  Gradient feed_forward_backward(const DevicePass& pass, int64_t index, const Gradient& gradient,
                                 const DeviceLayerState& state) const;
  Gradient attend_backward(const DevicePass& pass, int64_t index, const Gradient& gradient,
                           const DeviceLayerState& state) const;
  static const DeviceRowIds& rows_of(const DevicePass& pass, const Layer& layer);

  EncoderConfig config_;
  RowsNeeded rows_;
  DeviceTypes types_;
  int64_t padding_id_;
  const DeviceParameters& parameters_;
  at::Tensor compute_values_;  // all values in the products' type; undefined if that is float32
  DeviceEmbedding embedding_;
  DeviceLinear project_;  // float32; undefined without one
  std::vector<Layer> layers_;
};

}  // namespace rank_distillm
