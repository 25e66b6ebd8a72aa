#include "train/trainable_encoder.h"

#include <algorithm>
#include <cstring>

#include "model/tensor_names.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

Rows from(const Rows& rows, int64_t first) { return {rows.row(first), rows.stride}; }

void copy_rows(const Rows& rows, int64_t count, int64_t width, const Rows& to) {
  for (int64_t r = 0; r < count; ++r) std::memcpy(to.row(r), rows.row(r), width * sizeof(float));
}

/// A task with counters, which releases the kernels' state of the thread at its end.
template <typename Body>
auto counted(SharedCounters& counters, const Body& body) {
  return [&counters, body](int64_t task) {
    Counters own;
    body(task, own);
    kernels().release();
    counters.add(own);
  };
}

}  // namespace

TrainableEncoder::TrainableEncoder(const EncoderConfig& config, Pooling pooling, ElementType type, int64_t padding_id,
                                   const Parameters& parameters)
    : config_(config), pooling_(pooling), type_(type) {
  const auto width = config.embedding_size;
  const auto table = [&](const std::string& name, int64_t size) {
    return TrainableEmbedding::Table{parameters.value(name, {size, width}).data(),
                                     parameters.gradient(name, {size, width}).data()};
  };
  if (config.type_vocab_size == 0) no_types_ = Tensor({width});
  embedding_ = {table(tensor_names::words, config.vocab_size),
                table(tensor_names::positions, config.first_position + config.max_positions),
                config.type_vocab_size == 0 ? TrainableEmbedding::Table{no_types_.data()}
                                            : table(tensor_names::types, config.type_vocab_size),
                trainable_norm(parameters, tensor_names::embedding_norm, width, config.layer_norm_eps),
                padding_id,
                config.unplaced_token()};
  if (width != config.hidden_size) {
    project_ = PackedLinear(parameters.linear({tensor_names::embedding_projection}, config.hidden_size, width),
                            ElementType::float32);
  }
  for (int64_t i = 0; i < config.layers; ++i) {
    const bool first_rows_only = pooling == Pooling::first && i + 1 == config.layers;
    layers_.emplace_back(config, i, first_rows_only, type, parameters);
  }
}

void TrainableEncoder::pack_weights(Workers& workers) {
  if (!weights_changed_) return;
  std::vector<PackedLinear*> all;
  if (project_) all.push_back(&*project_);
  for (auto& layer : layers_) {
    for (auto& linear : layer.linears()) {
      if (linear.defined()) all.push_back(&linear);
    }
  }
  workers.run(static_cast<int64_t>(2 * all.size()), [&](int64_t task) {
    auto& linear = *all[task / 2];
    task % 2 == 0 ? linear.pack_forward() : linear.pack_backward();
  });
  weights_changed_ = false;
}

Arena TrainableEncoder::take_arena(int64_t tokens) {
  // Rounded up, so that arenas are reused; untouched pages cost nothing.
  constexpr int64_t together = 128;
  const int64_t size = (tokens + together - 1) / together * together * bytes_per_token() * 9 / 8;
  const std::lock_guard lock(arenas_mutex_);
  // The smallest that is large enough, else the largest, which grows.
  const auto fits = [size](const Arena& arena) { return arena.size() >= size; };
  const auto best = std::min_element(arenas_.begin(), arenas_.end(), [&](const Arena& a, const Arena& b) {
    return fits(a) != fits(b) ? fits(a) : fits(a) ? a.size() < b.size() : a.size() > b.size();
  });
  Arena arena;
  if (best != arenas_.end()) {
    arena = std::move(*best);
    arenas_.erase(best);
  }
  arena.reserve(size);
  return arena;
}

void TrainableEncoder::give_back(BlockState& block_state) {
  block_state.arena.reset();
  const std::lock_guard lock(arenas_mutex_);
  arenas_.push_back(std::move(block_state.arena));
}

void TrainableEncoder::give_back(EncoderState& state) {
  for (auto& block_state : state.blocks) give_back(block_state);
  state.blocks.clear();
}

void TrainableEncoder::cut(EncoderState& state, int threads) {
  const int64_t group = 4 / element_bytes(type_);  // rows that a product takes at a time
  const auto whole_groups = [group](int64_t rows) { return (rows + group - 1) / group * group; };
  GradientPlace place;
  for (const auto& block : cut_shrinking_blocks(*state.batch->packed, threads)) {
    place = {place.end_token, place.end_token + whole_groups(block.tokens), place.end_sequence,
             place.end_sequence + whole_groups(block.sequences)};
    BlockState block_state;
    block_state.block = block;
    block_state.place = place;
    state.blocks.push_back(std::move(block_state));
  }
}

HiddenRows TrainableEncoder::embed(const EncoderState& state, BlockState& block_state, Counters& counters) const {
  const int64_t tokens = block_state.block.tokens, hidden = config_.hidden_size, width = config_.embedding_size;
  block_state.embedding_norm = {block_state.arena.rows(tokens, width, 4), block_state.arena.floats(tokens)};
  block_state.stream = block_state.arena.rows(tokens, hidden, 4);
  block_state.embedded = project_ ? block_state.arena.rows(tokens, width, 4) : block_state.stream;
  {
    const OpTimer timer(counters.ticks.embedding);
    embed_training(*state.batch->packed, block_state.block, embedding_, state.dropout.at(DropoutSite::embeddings),
                   state.batch->tokens.data(), state.batch->positions.data(), block_state.embedded,
                   block_state.embedding_norm);
  }
  if (project_) {
    project_->forward(tokens, block_state.embedded, Epilogue::none, block_state.stream, ElementType::float32, counters);
  }
  if (type_ == ElementType::float32) return {block_state.stream, block_state.stream};
  const auto compute = block_state.arena.rows(tokens, hidden, element_bytes(type_));
  kernels().convert({tokens, hidden, block_state.stream, ElementType::float32, {type_, compute}});
  return {block_state.stream, compute};
}

void TrainableEncoder::forward_block(const EncoderState& state, BlockState& block_state, bool keep, const Rows& pooled,
                                     const CancelFlag& cancel, Counters& counters) {
  block_state.arena = take_arena(block_state.block.tokens);
  auto hidden = embed(state, block_state, counters);
  const BlockPass pass = {*state.batch, block_state.block, state.dropout, thread_workspace(), counters};
  for (size_t i = 0; i < layers_.size(); ++i) {
    throw_if_cancelled(cancel);
    // Without `keep` the next layer reuses the state, unless it has another shape.
    if (keep || i == 0 || layers_[i].first_rows_only()) {
      block_state.layers.push_back(layers_[i].state(block_state.block, block_state.arena));
    }
    hidden = layers_[i].forward(pass, hidden, block_state.layers.back());
  }
  const auto target = from(pooled, block_state.block.first_sequence);
  if (pooling_ == Pooling::first) {
    copy_rows(hidden.exact, block_state.block.sequences, config_.hidden_size, target);
  } else {
    block_state.last = hidden.exact;
    pool(hidden.exact, config_.hidden_size, *state.batch->packed, block_state.block, pooling_, target);
  }
  if (!keep) give_back(block_state);
}

void TrainableEncoder::forward(EncoderState& state, bool keep, const Rows& pooled, Workers& workers,
                               const CancelFlag& cancel, Counters& counters) {
  pack_weights(workers);
  cut(state, workers.count());
  SharedCounters shared(counters);
  workers.run(static_cast<int64_t>(state.blocks.size()), counted(shared, [&](int64_t b, Counters& own) {
                forward_block(state, state.blocks[b], keep, pooled, cancel, own);
              }));
  if (!keep) state.blocks.clear();
}

TrainableEncoder::Gradients TrainableEncoder::prepare_gradients(EncoderState& state) {
  for (auto& block_state : state.blocks) {
    block_state.gradient = block_state.arena.rows(block_state.block.tokens, config_.hidden_size, 4);
    block_state.pooled_gradient = block_state.arena.rows(block_state.block.sequences, config_.hidden_size, 4);
    block_state.embedded_gradient =
        project_ ? block_state.arena.rows(block_state.block.tokens, config_.embedding_size, 4) : block_state.gradient;
  }
  auto& last = state.blocks.back().place;
  const int64_t tokens = last.end_token, first_rows = last.end_sequence, sequences = state.batch->packed->sequences();
  last.end_token = last.end_sequence = INT64_MAX;  // zeros fill up to the end of the products' steps

  const auto layers = static_cast<int64_t>(layers_.size());
  Gradients gradients;
  gradients.layers.resize(layers);
  for (auto& arena : gradient_arenas_) arena.reset();
  // A layer's memory is reused two layers below, once its gradients are added.
  for (int64_t i = layers; i-- > 0;) {
    auto& arena = gradient_arenas_[i % 2];
    arena.rewind();
    gradients.layers[i] = layers_[i].gradients(sequences, tokens, first_rows, arena);
  }
  gradients.embedding_sums = gradient_arenas_[0].floats(sequences * 2 * config_.embedding_size);
  if (project_) gradients.project.emplace(*project_, tokens, gradient_arenas_[0]);
  return gradients;
}

void TrainableEncoder::pool_backward(const EncoderState& state, const BlockState& block_state,
                                     const Rows& pooled) const {
  const int64_t hidden = config_.hidden_size;
  const auto own = from(pooled, block_state.block.first_sequence);
  if (pooling_ == Pooling::first) {
    return copy_rows(own, block_state.block.sequences, hidden, block_state.pooled_gradient);
  }
  rank_distillm::pool_backward(own, block_state.last, hidden, *state.batch->packed, block_state.block, pooling_,
                               block_state.gradient);
}

void TrainableEncoder::embed_backward(const EncoderState& state, const BlockState& block_state,
                                      const Gradients& gradients, Counters& counters) const {
  if (project_ && gradients.project) {
    gradients.project->place(block_state.gradient, block_state.embedded, Epilogue::none, block_state.block.tokens,
                             block_state.place.first_token, block_state.place.end_token);
    project_->backward(block_state.block.tokens, block_state.gradient, Epilogue::none, block_state.embedded_gradient,
                       ElementType::float32, counters);
  }
  embed_backward_norm(block_state.block, embedding_, state.dropout.at(DropoutSite::embeddings),
                      state.batch->tokens.data(), block_state.embedding_norm, block_state.embedded_gradient,
                      gradients.embedding_sums + block_state.block.first_sequence * 2 * config_.embedding_size);
}

/// Queues the blocks of the layer below before the gradients of a layer's weights, so that no thread waits for the last
/// block. Returns the stage of the lowest layer's blocks.
int TrainableEncoder::add_layer_tasks(StagedTasks& tasks, const EncoderState& state, const Gradients& gradients,
                                      int pooled, SharedCounters& counters, const LayerDone& layer_done) const {
  const auto blocks = static_cast<int64_t>(state.blocks.size()), layers = static_cast<int64_t>(layers_.size());
  std::vector<int> added(layers, StagedTasks::none);
  const auto add_weights = [&](int64_t i, int placed) {
    const auto& layer = layers_[i];
    const auto& of_layer = gradients.layers[i];
    added[i] =
        tasks.add({layer.gradient_tasks(of_layer),
                   counted(counters, [&](int64_t task, Counters& own) { layer.add_gradients(of_layer, task, own); }),
                   placed, StagedTasks::none, [&layer_done, i] { layer_done(i); }});
  };
  int above = pooled;
  for (int64_t i = layers; i-- > 0;) {
    const auto& layer = layers_[i];
    const auto& of_layer = gradients.layers[i];
    const int memory_free = i + 2 < layers ? added[i + 2] : StagedTasks::none;
    const int here = tasks.add(
        {blocks,
         counted(counters,
                 [&, i](int64_t b, Counters& own) {
                   const auto& block_state = state.blocks[b];
                   const BlockPass pass = {*state.batch, block_state.block, state.dropout, thread_workspace(), own};
                   layer.backward(pass, block_state.place,
                                  layer.first_rows_only() ? block_state.pooled_gradient : block_state.gradient,
                                  block_state.gradient, block_state.layers[i], of_layer);
                 }),
         memory_free, above});
    if (i + 1 < layers) add_weights(i + 1, above);
    above = here;
  }
  add_weights(0, above);
  return above;
}

void TrainableEncoder::add_embedding_tasks(StagedTasks& tasks, const EncoderState& state, const Gradients& gradients,
                                           int above, SharedCounters& counters) const {
  const auto blocks = static_cast<int64_t>(state.blocks.size());
  const int norms = tasks.add(
      {blocks,
       counted(counters, [&](int64_t b, Counters& own) { embed_backward(state, state.blocks[b], gradients, own); }),
       StagedTasks::none, above});
  if (gradients.project) {
    tasks.add({gradients.project->tasks(),
               counted(counters, [&](int64_t task, Counters& own) { gradients.project->add(task, own); }), norms});
  }
  const int64_t slices = (config_.embedding_size + table_slice - 1) / table_slice;
  tasks.add({slices,
             [&](int64_t slice) {
               for (const auto& block_state : state.blocks) {
                 embed_backward_tables(*state.batch->packed, block_state.block, embedding_,
                                       state.batch->positions.data(), block_state.embedded_gradient,
                                       slice * table_slice);
               }
             },
             norms});
  tasks.add({1,
             [&](int64_t) {
               add_norm_gradients(embedding_.norm, gradients.embedding_sums, state.batch->packed->sequences());
             },
             norms});
}

void TrainableEncoder::backward(EncoderState& state, const Rows& pooled, Workers& workers, Counters& counters,
                                const LayerDone& layer_done) {
  const auto gradients = prepare_gradients(state);
  StagedTasks tasks;
  SharedCounters shared(counters);
  const auto blocks = static_cast<int64_t>(state.blocks.size());
  const int start = tasks.add({blocks, [&](int64_t b) { pool_backward(state, state.blocks[b], pooled); }});
  const int above = add_layer_tasks(tasks, state, gradients, start, shared, layer_done);
  add_embedding_tasks(tasks, state, gradients, above, shared);
  tasks.run(workers);
}

int64_t TrainableEncoder::bytes() const {
  int64_t sum = project_ ? project_->bytes() : 0;
  for (const auto& layer : layers_) {
    for (const auto& linear : layer.linears()) sum += linear.bytes();
  }
  return sum;
}

int64_t TrainableEncoder::bytes_per_token() const {
  const int64_t width = element_bytes(type_);
  const int64_t hidden = config_.hidden_size, wide = config_.intermediate_size;
  const int64_t layer = width * (6 * hidden + wide) + 8 * hidden + 8 * config_.heads;
  return config_.layers * layer + 4 * (2 * config_.embedding_size + 3 * hidden);
}

}  // namespace rank_distillm
