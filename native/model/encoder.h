#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/counters.h"
#include "core/packed_batch.h"
#include "model/config.h"
#include "model/linear.h"
#include "model/weights.h"
#include "model/workspace.h"

namespace rank_distillm {

/// Which rows of the last hidden state the pooling reads.
enum class RowsNeeded { all, first_of_each_sequence };

inline RowsNeeded rows_needed(Pooling pooling) {
  return pooling == Pooling::first ? RowsNeeded::first_of_each_sequence : RowsNeeded::all;
}

/// The encoder of the BERT family on packed sequences (Devlin et al. 2019; Clark et al. 2020). A block goes through all
/// layers on the calling thread. The residual stream stays float32, so that roundings do not add up over the layers;
/// the products read its copy in the type they multiply.
class Encoder {
 public:
  Encoder(const EncoderConfig& config, const Arithmetic& arithmetic, RowsNeeded rows, Weights& weights);

  /// Last hidden state of a block in float32: [tokens, hidden], or [sequences, hidden] if only first rows are needed.
  /// It stays valid in `workspace` until the next block. Calls `between_layers`, which may throw.
  Rows forward(const PackedBatch& batch, const Block& block, Workspace& workspace,
               const std::function<void()>& between_layers, Counters& counters) const;

 private:
  struct Norm {
    AlignedBuffer numbers;  // weight, bias: each up to whole vectors
    NormWeights view;
  };

  struct Embedding {
    Tensor word, position, type;  // float32
    Norm norm;
    std::optional<Linear> project;  // if embeddings are narrower than the encoder; float32, as it costs little
  };

  /// Everything of a layer that follows its attention.
  struct AfterAttention {
    Linear attention_output;
    Norm attention_norm;
    Linear up;
    Linear down;
    Norm output_norm;
  };

  struct Layer {
    Linear qkv;  // [3 · hidden, hidden]
    AfterAttention after;
  };

  /// The last layer if only first rows are needed: keys and values of all tokens, the rest for one row per sequence.
  /// It computes the same function with 7 % less work. These few rows are computed in float32, at no measurable cost,
  /// which keeps their rounding errors out of the score.
  struct FirstRowsLayer {
    Linear query;  // [hidden, hidden] float32
    Linear kv;     // [2 · hidden, hidden]
    AfterAttention after;
  };

  /// A block that is being computed.
  struct Pass {
    const PackedBatch& batch;
    const Block& block;
    Workspace& workspace;
    Counters& counters;
    Rows exact;           // residual stream, float32
    ComputeCopy compute;  // its copy
  };

  Norm take_norm(Weights& weights, const std::string& name, int64_t size) const;
  AfterAttention take_after_attention(Weights& weights, int64_t index, ElementType type) const;
  Layer take_layer(Weights& weights, int64_t index) const;
  FirstRowsLayer take_first_rows_layer(Weights& weights, int64_t index) const;

  ComputeCopy compute_copy(Workspace& workspace, Slot rows, Slot scales, int64_t count, int64_t columns) const;
  void embed(Pass& pass) const;
  void attend(const Pass& pass, const Rows& query, bool first_rows_only, const Rows& keys, const Rows& values,
              const Rows& context) const;
  void apply(const AfterAttention& after, int64_t rows, const LinearInput& context, const Rows& exact,
             const ComputeCopy& copy, Slot wide, Pass& pass) const;
  void apply(const Layer& layer, Pass& pass) const;
  Rows apply(const FirstRowsLayer& layer, Pass& pass) const;

  EncoderConfig config_;
  const Kernels& kernels_;
  ElementType type_;            // of the products over all tokens
  ElementType attention_type_;  // of queries, keys and values
  ElementType between_type_;    // of the activation's output
  Epilogue activation_;
  Embedding embedding_;
  std::vector<Layer> layers_;
  std::optional<FirstRowsLayer> last_;
};

}  // namespace rank_distillm
