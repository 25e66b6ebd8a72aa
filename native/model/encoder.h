#pragma once

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

/// The ELECTRA and BERT encoder on packed sequences (Devlin et al. 2019; Clark et al. 2020).
class Encoder {
 public:
  Encoder(const EncoderConfig& config, Weights& weights);

  /// Last hidden state of a block → [tokens, hidden].
  at::Tensor forward(const PackedBatch& batch, const Block& block, const CancelFlag& cancel, Counters& counters) const;

  /// The first row of each sequence's last hidden state → [sequences, hidden]. The last layer needs keys and values
  /// of all tokens and everything else for those rows only: the same numbers for less work.
  at::Tensor forward_first_rows(const PackedBatch& batch, const Block& block, const CancelFlag& cancel,
                                Counters& counters) const;

 private:
  struct Layer {
    Linear qkv;  // [3 · hidden, hidden]
    Linear attention_output;
    LayerNorm attention_norm;
    Linear up;
    Linear down;
    LayerNorm output_norm;
  };

  Layer take_layer(Weights& weights, int64_t index) const;
  at::Tensor embed_and_project(const PackedBatch& batch, const Block& block, Counters& counters) const;
  at::Tensor full_layer(const Layer& layer, const at::Tensor& hidden, const std::vector<EqualLengthRun>& runs,
                        Counters& counters) const;
  at::Tensor after_attention(const Layer& layer, const at::Tensor& context, const at::Tensor& residual,
                             Counters& counters) const;

  EncoderConfig config_;
  Embedding embedding_;
  Linear project_;  // undefined when embeddings are as wide as the encoder
  std::vector<Layer> layers_;
};

}  // namespace rank_distillm
