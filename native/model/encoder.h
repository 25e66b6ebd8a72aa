#pragma once

#include <initializer_list>
#include <optional>
#include <vector>

#include "core/cancel.h"
#include "core/counters.h"
#include "core/packed_batch.h"
#include "model/config.h"
#include "model/weights.h"
#include "ops/embedding.h"
#include "ops/layer_norm.h"
#include "ops/linear.h"

namespace rank_distillm {

/// Which rows of the last hidden state the pooling reads.
enum class RowsNeeded { all, first_of_each_sequence };

/// The ELECTRA and BERT encoder on packed sequences (Devlin et al. 2019; Clark et al. 2020).
class Encoder {
 public:
  Encoder(const EncoderConfig& config, Precision precision, RowsNeeded rows, Weights& weights);

  /// Last hidden state of a block in float32: [tokens, hidden], or [sequences, hidden] where only first rows are
  /// needed. Throws `aborted` between layers.
  at::Tensor forward(const PackedBatch& batch, const Block& block, const CancelFlag& cancel, Counters& counters) const;

 private:
  /// Everything of a layer that follows its attention.
  struct AfterAttention {
    Linear attention_output;
    LayerNorm attention_norm;
    Linear up;
    Linear down;
    LayerNorm output_norm;
  };

  struct Layer {
    Linear qkv;  // [3 · hidden, hidden]
    AfterAttention after;
  };

  /// The last layer where only first rows are needed: keys and values of all tokens, the rest for one row per
  /// sequence. The same function for 7 % less work; those few rows are computed in float32, which costs nothing that
  /// can be measured and takes their roundings out of the score.
  struct FirstRowsLayer {
    Linear query;  // [hidden, hidden] float32
    Linear kv;     // [2 · hidden, hidden]
    AfterAttention after;
  };

  Layer take_layer(Weights& weights, int64_t index) const;
  FirstRowsLayer take_first_rows_layer(Weights& weights, int64_t index) const;
  Linear take_attention_inputs(Weights& weights, int64_t index, std::initializer_list<const char*> parts,
                               at::ScalarType dtype) const;
  AfterAttention take_after_attention(Weights& weights, int64_t index, at::ScalarType dtype) const;

  HiddenState embed_and_project(const PackedBatch& batch, const Block& block, Counters& counters) const;
  HiddenState apply(const Layer& layer, const HiddenState& hidden, const std::vector<EqualLengthRun>& runs,
                    Counters& counters) const;
  at::Tensor apply(const FirstRowsLayer& layer, const HiddenState& hidden, const PackedBatch& batch, const Block& block,
                   const std::vector<EqualLengthRun>& runs, Counters& counters) const;
  HiddenState apply(const AfterAttention& after, const at::Tensor& context, const at::Tensor& residual,
                    Counters& counters) const;

  EncoderConfig config_;
  at::ScalarType compute_type_;
  Embedding embedding_;
  Linear project_;  // float32; undefined when embeddings are as wide as the encoder
  std::vector<Layer> layers_;
  std::optional<FirstRowsLayer> last_;
};

}  // namespace rank_distillm
