#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include "core/cancel.h"
#include "core/staged_tasks.h"
#include "core/workers.h"
#include "model/config.h"
#include "ops/embedding_training.h"
#include "train/arena.h"
#include "train/gradient_buckets.h"
#include "train/trainable_layer.h"

namespace rank_distillm {

/// Kept by a block's forward for its backward, and the gradients of its residual stream.
struct BlockState {
  Block block = {};
  GradientPlace place;
  Arena arena;  // of all members below
  NormState embedding_norm;
  Rows embedded;  // [tokens, embedding] float32; only with a projection
  Rows stream;    // [tokens, hidden] float32; in bf16 all layers' residual stream
  std::vector<LayerState> layers;
  Rows last;               // [tokens, hidden] float32; for pooling over all tokens only
  Rows gradient;           // [tokens, hidden] float32
  Rows pooled_gradient;    // [sequences, hidden] float32, if the last layer computes first rows only
  Rows embedded_gradient;  // [tokens, embedding] float32; may be `gradient`
};

/// A part of a batch that goes through the encoder and back.
struct EncoderState {
  const BatchRows* batch = nullptr;
  DropoutRates dropout;
  std::vector<BlockState> blocks;
};

/// The encoder of a model that is trained, with its backward and the pooling at its end. Threads take block after block
/// through the layers, and in backward the gradients of weights in between. In float32 the order of sums does not
/// depend on the number of threads; in bf16 it depends on how the batch is cut for them.
class TrainableEncoder {
 public:
  TrainableEncoder(const EncoderConfig& config, Pooling pooling, ElementType type, int64_t padding_id,
                   const Parameters& parameters);

  /// The next forward packs the weights again.
  void weights_changed() { weights_changed_ = true; }

  /// Fills the pooled rows [sequences, hidden] float32. Without `keep` the state holds nothing for backward.
  /// Throws `aborted` between layers.
  void forward(EncoderState& state, bool keep, const Rows& pooled, Workers& workers, const CancelFlag& cancel,
               Counters& counters);

  /// Adds the gradients of all parameters from that of the pooled rows [sequences, hidden] float32.
  void backward(EncoderState& state, const Rows& pooled, Workers& workers, Counters& counters,
                const LayerDone& layer_done);

  /// Reclaims the state's memory for the next one.
  void give_back(EncoderState& state);

  /// Of the packed weights.
  int64_t bytes() const;
  /// Bytes of one token's activations while they are kept.
  int64_t bytes_per_token() const;

 private:
  /// The gradients of weights of a part: of the layers, the projection and the embeddings.
  struct Gradients {
    std::vector<LayerGradients> layers;
    std::optional<WeightGradient> project;
    float* embedding_sums = nullptr;  // [sequences, 2, embedding]
  };

  void pack_weights(Workers& workers);
  void cut(EncoderState& state, int threads);
  Arena take_arena(int64_t tokens);  // this and give_back from any thread
  void give_back(BlockState& block_state);
  HiddenRows embed(const EncoderState& state, BlockState& block_state, Counters& counters) const;
  void forward_block(const EncoderState& state, BlockState& block_state, bool keep, const Rows& pooled,
                     const CancelFlag& cancel, Counters& counters);
  Gradients prepare_gradients(EncoderState& state);
  void pool_backward(const EncoderState& state, const BlockState& block_state, const Rows& pooled) const;
  void embed_backward(const EncoderState& state, const BlockState& block_state, const Gradients& gradients,
                      Counters& counters) const;
  int add_layer_tasks(StagedTasks& tasks, const EncoderState& state, const Gradients& gradients, int pooled,
                      SharedCounters& counters, const LayerDone& layer_done) const;
  void add_embedding_tasks(StagedTasks& tasks, const EncoderState& state, const Gradients& gradients, int above,
                           SharedCounters& counters) const;

  EncoderConfig config_;
  Pooling pooling_;
  ElementType type_;
  bool weights_changed_ = false;  // since they were packed
  Tensor no_types_;               // [embedding] zeros, where the model has no token types
  TrainableEmbedding embedding_;
  std::optional<PackedLinear> project_;  // float32
  std::vector<TrainableLayer> layers_;
  std::mutex arenas_mutex_;
  std::vector<Arena> arenas_;  // free ones, for blocks
  Arena gradient_arenas_[2];   // of every other layer
};

}  // namespace rank_distillm
