#include "train/trainer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "core/staged_tasks.h"
#include "ops/pooling.h"

namespace rank_distillm {
namespace {

/// Tokens whose activations are held at a time where none are kept.
constexpr int64_t scored_together = 16384;

/// What several threads count.
class SharedCounters {
 public:
  explicit SharedCounters(Counters& sum) : sum_(sum) {}
  void add(const Counters& part) {
    const std::lock_guard lock(mutex_);
    sum_ += part;
  }

 private:
  std::mutex mutex_;
  Counters& sum_;
};

at::Tensor view(const Rows& rows, int64_t count, int64_t width) {
  return at::from_blob(rows.data, {count, width}, {rows.stride / 4, 1}, at::kFloat);
}

}  // namespace

struct Trainer::BlockState {
  Block block = {};
  GradientPlace place;
  Arena arena;
  NormState embedding_norm;
  Rows embedded;  // [tokens, embedding] float32; only with a projection
  Rows stream;    // [tokens, hidden] float32; in bf16 all layers' residual stream
  std::vector<LayerState> layers;
  Rows last;               // [tokens, hidden] float32; for pooling over all tokens only
  Rows gradient;           // [tokens, hidden] float32
  Rows pooled_gradient;    // [sequences, hidden] float32, where the last layer works for first rows only
  Rows embedded_gradient;  // [tokens, embedding] float32; may be `gradient`
};

struct Trainer::State {
  State(TrainingBatch whole, const DropoutRates& rates) : batch(std::move(whole)), rows(batch), dropout(rates) {}

  TrainingBatch batch;
  BatchRows rows;
  DropoutRates dropout;
  std::vector<BlockState> blocks;
  HeadState head;
};

Trainer::Trainer(const TrainerOptions& options, std::vector<TensorSource> tensors)
    : options_(options),
      precision_(available_precision(options.model.encoder, options.model.precision)),
      type_(precision_ == Precision::bfloat16 ? ElementType::bfloat16 : ElementType::float32),
      parameters_(std::move(tensors)),
      head_(options.model.encoder, options.model.head, parameters_) {
  const auto& config = options.model.encoder;
  const auto width = config.embedding_size;
  const std::string prefix = "embeddings.", suffix = "_embeddings.weight";
  const auto table = [&](const char* name, int64_t size) {
    return TrainableEmbedding::Table{parameters_.value(prefix + name + suffix, {size, width}).const_data_ptr<float>(),
                                     parameters_.gradient(prefix + name + suffix, {size, width}).data_ptr<float>()};
  };
  embedding_ = {table("word", config.vocab_size), table("position", config.max_positions),
                table("token_type", config.type_vocab_size),
                trainable_norm(parameters_, "embeddings.LayerNorm", width, config.layer_norm_eps), options.padding_id};
  if (width != config.hidden_size) {
    project_ = PackedLinear(parameters_, {"embeddings_project"}, config.hidden_size, width, ElementType::float32);
  }
  for (int64_t i = 0; i < config.layers; ++i) {
    const bool first_rows_only = options.model.head.pooling == Pooling::first && i + 1 == config.layers;
    layers_.emplace_back(config, i, first_rows_only, type_, parameters_);
  }
}

std::vector<PackedLinear*> Trainer::linears() {
  std::vector<PackedLinear*> result;
  if (project_) result.push_back(&*project_);
  for (auto& layer : layers_) {
    for (auto* linear : layer.linears()) result.push_back(linear);
  }
  return result;
}

void Trainer::pack_weights(Workers& workers) {
  if (!weights_changed_) return;
  const auto all = linears();
  workers.run(static_cast<int64_t>(2 * all.size()), [&](int64_t task) {
    auto& linear = *all[task / 2];
    task % 2 == 0 ? linear.pack_forward() : linear.pack_backward();
  });
  weights_changed_ = false;
}

Arena Trainer::take_arena(int64_t tokens) {
  // Sizes of a few steps, so that the same memory serves again and again; what is not touched costs nothing.
  constexpr int64_t together = 128;
  const int64_t size = (tokens + together - 1) / together * together * bytes_per_token() * 9 / 8;
  // The smallest that is large enough, or else the largest, which grows.
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

void Trainer::give_back(State& state) {
  for (auto& block : state.blocks) {
    block.arena.reset();
    arenas_.push_back(std::move(block.arena));
  }
  state.blocks.clear();
}

HiddenRows Trainer::embed(const State& state, BlockState& of, Counters& counters) const {
  const auto& config = options_.model.encoder;
  const int64_t tokens = of.block.tokens, hidden = config.hidden_size, width = config.embedding_size;
  of.embedding_norm = {of.arena.rows(tokens, width, 4), of.arena.floats(tokens)};
  of.stream = of.arena.rows(tokens, hidden, 4);
  of.embedded = project_ ? of.arena.rows(tokens, width, 4) : of.stream;
  {
    const OpTimer timer(counters.ticks.embedding);
    embed_training(state.batch.packed, of.block, embedding_,
                   state.dropout.at(DropoutSite::embeddings, state.dropout.hidden), state.rows.tokens.data(),
                   of.embedded, of.embedding_norm);
  }
  if (project_) {
    project_->forward(tokens, of.embedded, TileEnd::none, of.stream, ElementType::float32, counters);
  }
  if (type_ == ElementType::float32) return {of.stream, of.stream};
  const auto compute = of.arena.rows(tokens, hidden, kernels().element_bytes(type_));
  kernels().convert({tokens, hidden, of.stream, ElementType::float32, {type_, compute}});
  return {of.stream, compute};
}

void Trainer::forward_block(State& state, BlockState& of, const CancelFlag& cancel, Counters& counters, bool keep,
                            const at::Tensor& pooled) const {
  const int64_t hidden_size = options_.model.encoder.hidden_size;
  auto hidden = embed(state, of, counters);
  const BlockPass pass = {state.rows, of.block, state.dropout, thread_workspace(), counters};
  for (size_t i = 0; i < layers_.size(); ++i) {
    throw_if_cancelled(cancel);
    const bool changed_shape = i == 0 || layers_[i].first_rows_only();
    if (keep || changed_shape) of.layers.push_back(layers_[i].state(of.block, of.arena));
    hidden = layers_[i].forward(pass, hidden, of.layers.back());
  }
  const auto target = pooled.narrow(0, of.block.first_sequence, of.block.sequences);
  const auto pooling = options_.model.head.pooling;
  if (pooling == Pooling::first) {
    target.copy_(view(hidden.exact, of.block.sequences, hidden_size));
    return;
  }
  of.last = hidden.exact;
  target.copy_(pool(view(hidden.exact, of.block.tokens, hidden_size), state.batch.packed, of.block, pooling));
}

at::Tensor Trainer::run(State& state, Workers& workers, const CancelFlag& cancel, Counters& counters, bool keep) {
  pack_weights(workers);
  GradientPlace place;
  const int64_t group = 4 / kernels().element_bytes(type_);  // rows that a product takes at a time
  for (const auto& block : cut_shrinking_blocks(state.batch.packed, workers.count())) {
    const auto whole_groups = [group](int64_t count) { return (count + group - 1) / group * group; };
    place = {place.end_token, place.end_token + whole_groups(block.tokens), place.end_sequence,
             place.end_sequence + whole_groups(block.sequences)};
    BlockState of;
    of.block = block;
    of.place = place;
    of.arena = take_arena(block.tokens);
    state.blocks.push_back(std::move(of));
  }
  const auto pooled = at::empty({state.batch.packed.sequences(), options_.model.encoder.hidden_size}, at::kFloat);
  SharedCounters shared(counters);
  workers.run(static_cast<int64_t>(state.blocks.size()), [&](int64_t i) {
    Counters own;
    forward_block(state, state.blocks[i], cancel, own, keep, pooled);
    shared.add(own);
  });
  return head_.forward(pooled, state.rows, state.dropout, state.head, counters);
}

Trainer::Forward Trainer::forward(TrainingBatch batch, uint32_t step, bool keep, Workers& workers,
                                  const CancelFlag& cancel) {
  const auto& config = options_.model.encoder;
  check_batch(batch.packed, config.vocab_size, config.type_vocab_size, config.max_positions);
  if (static_cast<int64_t>(batch.pairs.size()) != batch.packed.sequences()) {
    throw bad_input("pairs must have one number for each sequence");
  }
  const auto start = std::chrono::steady_clock::now();
  const DropoutRates rates = {options_.hidden_dropout, options_.attention_dropout, options_.head_dropout, options_.seed,
                              step};
  const auto state = std::make_shared<State>(std::move(batch), rates);
  Forward result;
  const auto values = run(*state, workers, cancel, result.scores.counters, keep);
  result.scores.values.assign(values.const_data_ptr<float>(), values.const_data_ptr<float>() + values.numel());
  if (keep) {
    result.kept = next_kept_++;
    kept_[result.kept] = state;
  } else {
    give_back(*state);
  }
  result.scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

void Trainer::discard(int64_t kept) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) return;
  give_back(*found->second);
  kept_.erase(found);
}

void Trainer::pool_gradient(const State& state, const BlockState& of, const at::Tensor& pooled) const {
  const int64_t hidden = options_.model.encoder.hidden_size;
  const auto own = pooled.narrow(0, of.block.first_sequence, of.block.sequences);
  const auto pooling = options_.model.head.pooling;
  if (pooling == Pooling::first) {
    view(of.pooled_gradient, of.block.sequences, hidden).copy_(own);
    return;
  }
  const auto rows = view(of.gradient, of.block.tokens, hidden);
  rows.copy_(pool_backward(own, view(of.last, of.block.tokens, hidden), state.batch.packed, of.block, pooling));
}

Counters Trainer::backward(int64_t kept, const std::vector<float>& gradient, Workers& workers) {
  const auto found = kept_.find(kept);
  if (found == kept_.end()) throw bad_input("backward: nothing is kept under this number");
  const auto state = std::move(found->second);
  kept_.erase(found);
  const auto& config = options_.model.encoder;
  if (static_cast<int64_t>(gradient.size()) != state->batch.packed.sequences()) {
    give_back(*state);
    throw bad_input("backward: the gradient must have one value for each sequence");
  }
  Counters counters;
  // A copy, since LibTorch aligns its memory and a vector does not: MKL adds up in another order where rows begin
  // elsewhere within a cache line, and the same run must give the same bits.
  const auto scores =
      at::from_blob(const_cast<float*>(gradient.data()), {static_cast<int64_t>(gradient.size())}, at::kFloat).clone();
  const auto pooled = head_.backward(scores, state->rows, state->dropout, state->head, counters);

  auto& blocks = state->blocks;
  const auto count = static_cast<int64_t>(blocks.size());
  for (auto& of : blocks) {
    of.gradient = of.arena.rows(of.block.tokens, config.hidden_size, 4);
    of.pooled_gradient = of.arena.rows(of.block.sequences, config.hidden_size, 4);
    of.embedded_gradient = project_ ? of.arena.rows(of.block.tokens, config.embedding_size, 4) : of.gradient;
  }
  const int64_t tokens = blocks.back().place.end_token, sequences = blocks.back().place.end_sequence;
  // The last block's zeros go on to the end of the products' steps.
  blocks.back().place.end_token = blocks.back().place.end_sequence = INT64_MAX;

  const auto layers = static_cast<int64_t>(layers_.size());
  std::vector<LayerGradients> gradients(layers);
  for (auto& arena : gradient_arenas_) arena.reset();
  // A layer's place for what the gradients of its weights need is used again two layers below, once they are added.
  for (int64_t i = layers; i-- > 0;) {
    auto& arena = gradient_arenas_[i % 2];
    if (i + 2 < layers) arena.rewind();
    gradients[i] = layers_[i].gradients(state->batch.packed.sequences(), tokens, sequences, arena);
  }
  float* const embedding_sums = gradient_arenas_[0].floats(state->batch.packed.sequences() * 2 * config.embedding_size);
  std::optional<WeightGradient> project_gradient;
  if (project_) project_gradient.emplace(*project_, tokens, gradient_arenas_[0]);

  StagedTasks tasks;
  SharedCounters shared(counters);
  const auto counted = [&shared](const auto& body) {
    return [&shared, body](int64_t task) {
      Counters own;
      body(task, own);
      shared.add(own);
    };
  };
  int above = tasks.add({count, [&](int64_t b) { pool_gradient(*state, blocks[b], pooled); }});
  std::vector<int> added(layers, StagedTasks::none);
  const auto add_weights = [&](int64_t layer, int placed) {
    added[layer] =
        tasks.add({layers_[layer].gradient_tasks(gradients[layer]), counted([&, layer](int64_t task, Counters& own) {
                     layers_[layer].add_gradients(gradients[layer], task, own);
                   }),
                   placed});
  };
  for (int64_t i = layers; i-- > 0;) {
    const int here =
        tasks.add({count, counted([&, i](int64_t b, Counters& own) {
                     auto& of = blocks[b];
                     const BlockPass pass = {state->rows, of.block, state->dropout, thread_workspace(), own};
                     const auto& start = layers_[i].first_rows_only() ? of.pooled_gradient : of.gradient;
                     layers_[i].backward(pass, of.place, start, of.gradient, of.layers[i], gradients[i]);
                   }),
                   i + 2 < layers ? added[i + 2] : StagedTasks::none, above});
    if (i + 1 < layers) add_weights(i + 1, above);
    above = here;
  }
  const int norms = tasks.add(
      {count, counted([&](int64_t b, Counters& own) {
         auto& of = blocks[b];
         if (project_) {
           project_gradient->place(of.gradient, of.embedded, TileEnd::none, of.block.tokens, of.place.first_token,
                                   of.place.end_token);
           project_->backward(of.block.tokens, of.gradient, TileEnd::none, of.embedded_gradient, ElementType::float32,
                              own);
         }
         embed_backward_norm(of.block, embedding_, state->dropout.at(DropoutSite::embeddings, state->dropout.hidden),
                             state->rows.tokens.data(), of.embedding_norm, of.embedded_gradient,
                             embedding_sums + of.block.first_sequence * 2 * config.embedding_size);
       }),
       StagedTasks::none, above});
  add_weights(0, above);
  if (project_) {
    tasks.add({project_gradient->tasks(),
               counted([&](int64_t task, Counters& own) { project_gradient->add(task, own); }), norms});
  }
  const int64_t slices = (config.embedding_size + table_slice - 1) / table_slice;
  tasks.add({slices + 1,
             [&](int64_t slice) {
               if (slice == slices) {
                 return add_norm_gradients(embedding_.norm, embedding_sums, state->batch.packed.sequences());
               }
               for (const auto& of : blocks) {
                 embed_backward_tables(state->batch.packed, of.block, embedding_, state->rows.tokens.data(),
                                       of.embedded_gradient, slice * table_slice);
               }
             },
             norms});
  tasks.run(workers);
  give_back(*state);
  return counters;
}

Scores Trainer::score(const PackedBatch& batch, Workers& workers, const CancelFlag& cancel) {
  const auto& config = options_.model.encoder;
  check_batch(batch, config.vocab_size, config.type_vocab_size, config.max_positions);
  const auto start = std::chrono::steady_clock::now();
  Scores scores;
  for (const auto& block : cut_blocks(batch, scored_together)) {
    TrainingBatch part;
    const auto first = batch.cu_seqlens.begin() + block.first_sequence;
    part.packed.input_ids.assign(batch.input_ids.begin() + block.first_token,
                                 batch.input_ids.begin() + block.first_token + block.tokens);
    part.packed.token_type_ids.assign(batch.token_type_ids.begin() + block.first_token,
                                      batch.token_type_ids.begin() + block.first_token + block.tokens);
    for (auto it = first; it <= first + block.sequences; ++it) {
      part.packed.cu_seqlens.push_back(*it - static_cast<int32_t>(block.first_token));
    }
    part.pairs.resize(block.sequences);
    State state(std::move(part), DropoutRates());
    const auto values = run(state, workers, cancel, scores.counters, false);
    give_back(state);
    scores.values.insert(scores.values.end(), values.const_data_ptr<float>(),
                         values.const_data_ptr<float>() + values.numel());
  }
  scores.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return scores;
}

void Trainer::step(const AdamWStep& step, Workers& workers) {
  adamw_step(parameters_, step, workers);
  weights_changed_ = true;
}

int64_t Trainer::bytes() const {
  int64_t sum = parameters_.bytes();
  for (const auto* linear : const_cast<Trainer*>(this)->linears()) sum += linear->bytes();
  return sum;
}

void Trainer::zero_gradients() { parameters_.gradients().zero_(); }

const at::Tensor& Trainer::flat(FlatArray array) const {
  switch (array) {
    case FlatArray::values:
      return parameters_.values();
    case FlatArray::gradients:
      return parameters_.gradients();
    case FlatArray::first_moments:
      return parameters_.first_moments();
    case FlatArray::second_moments:
      return parameters_.second_moments();
  }
  return parameters_.values();
}

at::Tensor Trainer::range(FlatArray array, int64_t offset, int64_t count) const {
  if (offset < 0 || count < 0 || offset > size() - count) {
    throw bad_input("the range lies outside the " + std::to_string(size()) + " numbers of the model");
  }
  return flat(array).narrow(0, offset, count);
}

std::vector<float> Trainer::read(FlatArray array, int64_t offset, int64_t count) const {
  const auto part = range(array, offset, count);
  return {part.const_data_ptr<float>(), part.const_data_ptr<float>() + count};
}

void Trainer::write(FlatArray array, int64_t offset, const std::vector<float>& values) {
  const auto part = range(array, offset, static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), part.data_ptr<float>());
  if (array == FlatArray::values) weights_changed_ = true;
}

int64_t Trainer::bytes_per_token() const {
  const auto& config = options_.model.encoder;
  const int64_t width = kernels().element_bytes(type_);
  const int64_t hidden = config.hidden_size, wide = config.intermediate_size;
  const int64_t layer = width * (6 * hidden + wide) + 8 * hidden + 8 * config.heads;
  return config.layers * layer + 4 * (2 * config.embedding_size + 3 * hidden);
}

}  // namespace rank_distillm
