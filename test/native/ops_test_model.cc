// The backward of the ops around the layers (embeddings, pooling, heads), and AdamW.

#include <algorithm>
#include <functional>
#include <string>

#include "core/workers.h"
#include "cuda/device_head.h"
#include "model/config.h"
#include "ops/embedding_training.h"
#include "ops/layer_norm_training.h"
#include "ops/pooling.h"
#include "ops_test.h"
#include "train/adamw.h"
#include "train/parameters.h"
#include "train/trainable_head.h"

namespace rank_distillm {
namespace {

at::Tensor indices(const std::vector<int64_t>& values) { return at::tensor(values, at::kLong); }

void test_embedding(const std::vector<int64_t>& lengths, int64_t width, double rate) {
  const int64_t vocabulary = 11, positions = 600, padding = 3;
  const auto batch = batch_of(lengths, vocabulary);
  const BatchRows rows(batch);
  std::vector<int64_t> words, places, types;
  for (size_t t = 0; t < rows.tokens.size(); ++t) {
    words.push_back(batch.packed.input_ids[t]);
    places.push_back(rows.tokens[t].token);
    types.push_back(batch.packed.token_type_ids[t]);
  }
  const auto word = normal({vocabulary, width}), position = normal({positions, width}), type = normal({2, width});
  const auto w = normal({width}), b = normal({width});
  const auto tokens = static_cast<int64_t>(words.size());
  const auto g = normal({tokens, width});
  const auto dropout = dropout_of(rate, DropoutSite::embeddings);
  const auto dword = leaf(word), dposition = leaf(position), dtype = leaf(type), dw = leaf(w), db = leaf(b);
  const auto sum = at::embedding(dword, indices(words), padding) + at::embedding(dposition, indices(places)) +
                   at::embedding(dtype, indices(types));
  const auto y = at::layer_norm(sum, {width}, dw, db, 1e-12) * mask_of(dropout, rows.tokens, width);
  y.backward(g.to(at::kDouble));
  const auto gradient_of = [](const at::Tensor& table) { return at::zeros_like(table); };
  const auto words_gradient = gradient_of(word), positions_gradient = gradient_of(position),
             types_gradient = gradient_of(type), w_gradient = gradient_of(w), b_gradient = gradient_of(b);
  const auto table = [](const at::Tensor& values, const at::Tensor& gradient) {
    return TrainableEmbedding::Table{values.const_data_ptr<float>(), gradient.data_ptr<float>()};
  };
  const TrainableEmbedding embedding = {table(word, words_gradient),
                                        table(position, positions_gradient),
                                        table(type, types_gradient),
                                        {w.const_data_ptr<float>(), b.const_data_ptr<float>(),
                                         w_gradient.data_ptr<float>(), b_gradient.data_ptr<float>(), width, 1e-12F},
                                        padding};
  const auto sequences = static_cast<int64_t>(lengths.size());
  const RowsOf exact(at::zeros({tokens, width})), normalized(at::zeros({tokens, width})), walking(g);
  std::vector<float> scale(tokens), sums(sequences * 2 * width, NAN);
  const auto* ids = rows.tokens.data();
  // In two blocks, the second of which is the last sequence.
  std::vector<Block> blocks = {{0, sequences, 0, tokens}};
  if (sequences > 1) {
    const int64_t before = batch.packed.cu_seqlens[sequences - 1];
    blocks = {{0, sequences - 1, 0, before}, {sequences - 1, 1, before, tokens - before}};
  }
  for (const auto& block : blocks) {
    const auto part = [&](const RowsOf& all) { return Rows{all.rows().row(block.first_token), all.rows().stride}; };
    const NormState state = {part(normalized), scale.data() + block.first_token};
    embed_training(batch.packed, block, embedding, dropout, ids, rows.positions.data(), part(exact), state);
    embed_backward_norm(block, embedding, dropout, ids, state, part(walking),
                        sums.data() + block.first_sequence * 2 * width);
    for (int64_t first = 0; first < width; first += table_slice) {
      embed_backward_tables(batch.packed, block, embedding, rows.positions.data(), part(walking), first);
    }
  }
  add_norm_gradients(embedding.norm, sums.data(), sequences);
  report(title("embedding", {{"sequences", lengths.size()}, {"tokens", tokens}, {"width", width}, {"dropout", rate}}),
         {{"output", exact.values(), y.detach()},
          {"words", words_gradient, dword.grad()},
          {"positions", positions_gradient, dposition.grad()},
          {"types", types_gradient, dtype.grad()},
          {"LayerNorm's weight", w_gradient, dw.grad()},
          {"LayerNorm's bias", b_gradient, db.grad()}});
}

void test_pooling(const char* name, Pooling pooling, const std::function<at::Tensor(const at::Tensor&)>& reference) {
  const std::vector<int64_t> lengths = {1, 5, 130};
  const auto batch = batch_of(lengths, 5);
  const Block block = {0, 3, 0, batch.packed.cu_seqlens.back()};
  const auto hidden = normal({block.tokens, 26}), g = normal({3, 26});
  hidden.narrow(0, 2, 1).copy_(hidden.narrow(0, 1, 1));  // ties for max
  const auto dhidden = leaf(hidden);
  std::vector<at::Tensor> parts;
  for (int i = 0; i < 3; ++i) parts.push_back(reference(dhidden.narrow(0, batch.packed.cu_seqlens[i], lengths[i])));
  const auto y = at::stack(parts);
  y.backward(g.to(at::kDouble));
  const RowsOf rows(hidden), above(g), pooled(at::zeros({3, 26})), gradient(at::zeros({block.tokens, 26}));
  pool(rows.rows(), 26, batch.packed, block, pooling, pooled.rows());
  pool_backward(above.rows(), rows.rows(), 26, batch.packed, block, pooling, gradient.rows());
  report(std::string("pooling ") + name,
         {{"output", pooled.values(), y.detach()}, {"input", gradient.values(), dhidden.grad()}});
}

struct HeadCase {
  const char* name;
  HeadConfig config;
  bool drops_input = false;
  bool drops_hidden = false;
};

void test_head(const HeadCase& test, double rate) {
  const int64_t hidden = 26, sequences = 6;
  const auto& [name, config, drops_input, drops_hidden] = test;
  const int64_t labels = config.labels;
  const auto batch = batch_of({1, 2, 3, 4, 5, 6}, 5);
  const BatchRows rows(batch);
  const auto pooled = normal({sequences, hidden}), g = normal({sequences});
  const auto dense = normal({hidden, hidden}) / 4, dense_bias = normal({hidden}), output = normal({labels, hidden}),
             output_bias = normal({labels});
  DropoutRates rates;
  rates[DropoutSite::head_input] = drops_input ? rate : 0;
  rates[DropoutSite::head_hidden] = drops_hidden ? rate : 0;
  rates.seed = 7;
  const auto mask = [&](DropoutSite site) { return mask_of(rates.at(site), rows.first, hidden); };
  const auto dpooled = leaf(pooled), ddense = leaf(dense), ddense_bias = leaf(dense_bias), doutput = leaf(output),
             doutput_bias = leaf(output_bias);
  at::Tensor row = dpooled * mask(DropoutSite::head_input);
  if (!config.dense.empty()) {
    row = at::linear(row, ddense, ddense_bias);
    row = config.activation == HeadActivation::gelu   ? at::gelu(row)
          : config.activation == HeadActivation::relu ? at::relu(row)
                                                      : at::tanh(row);
    row = row * mask(DropoutSite::head_hidden);
  }
  const auto logits = at::linear(row, doutput, config.bias ? std::optional<at::Tensor>(doutput_bias) : std::nullopt);
  const auto scores = (config.log_softmax ? at::log_softmax(logits, -1) : logits).select(1, config.label);
  scores.backward(g.to(at::kDouble));
  std::vector<TensorSource> sources = {source(config.output + ".weight", output)};
  if (config.bias) sources.push_back(source(config.output + ".bias", output_bias));
  if (!config.dense.empty()) {
    sources.push_back(source(config.dense + ".weight", dense));
    sources.push_back(source(config.dense + ".bias", dense_bias));
  }
  std::vector<Comparison> all;
  const auto compare_gradients = [&](const auto& parameters) {
    const auto gradient = [&](const std::string& tensor, const Shape& shape) {
      return out(view(parameters.gradient(tensor, shape)));
    };
    all.push_back({"output weight", gradient(config.output + ".weight", {labels, hidden}), doutput.grad()});
    if (config.bias) all.push_back({"output bias", gradient(config.output + ".bias", {labels}), doutput_bias.grad()});
    if (config.dense.empty()) return;
    all.push_back({"dense weight", gradient(config.dense + ".weight", {hidden, hidden}), ddense.grad()});
    all.push_back({"dense bias", gradient(config.dense + ".bias", {hidden}), ddense_bias.grad()});
  };
  EncoderConfig encoder;
  encoder.hidden_size = hidden;
  Counters counters;
  {
    const auto parameters = make_parameters(sources, on_this_thread);
    TrainableHead head(encoder, config, parameters);
    Arena arena;
    const auto state = head.rows(sequences, arena);
    const RowsOf input(pooled);
    for (int64_t s = 0; s < sequences; ++s) std::memcpy(state.input.row(s), input.rows().row(s), hidden * 4);
    const std::vector<float> above(g.const_data_ptr<float>(), g.const_data_ptr<float>() + sequences);
    all.push_back({"scores", at::tensor(head.forward(state, rows.first, rates, counters)), scores.detach()});
    const auto below = head.backward(above, state, rows.first, rates, arena, counters);
    all.push_back({"rows", values_of(below, sequences, hidden), dpooled.grad()});
    compare_gradients(parameters);
  }
  report(title((std::string("head ") + name).c_str(), {{"dropout", rate}}), all);
  all.clear();
  engine([&] {
    const auto parameters = device_parameters(sources, on_this_thread, at::kCPU);
    const DeviceHead head(encoder, config, parameters);
    const DropFirstRows drop = [&](const at::Tensor& values, const Dropout& dropout) {
      if (dropout.active()) values.mul_(mask_of(dropout, rows.first, hidden));
    };
    DeviceHeadState state;
    all.push_back({"scores", out(head.forward(pooled, drop, rates, state, counters)), scores.detach()});
    all.push_back({"rows", out(head.backward(g, drop, rates, state, counters)), dpooled.grad()});
    compare_gradients(parameters);
  });
  report(title((std::string("head on a device, ") + name).c_str(), {{"dropout", rate}}), all);
}

/// Five steps compared with torch's fused AdamW, with gradients clipped by norm or by value.
void test_adamw(double clip_norm, double clip_value) {
  const int64_t size = 70'001;  // more than one chunk, and no multiple of the lanes
  const auto start = normal({size});
  const double rate = 1e-2, beta1 = 0.9, beta2 = 0.98, decay = 0.05, eps = 1e-7;
  const auto value = start.clone(), first = at::zeros({size}), second = at::zeros({size}), steps = at::zeros({});
  std::vector<Comparison> all;
  auto parameters = make_parameters({source("tensor", start)}, on_this_thread);
  Workers workers(2);
  for (int64_t t = 1; t <= 5; ++t) {
    const auto gradient = normal({size}) * static_cast<double>(t);
    const auto norm = gradient.to(at::kDouble).norm();
    auto clipped = gradient * (clip_norm > 0 ? std::min(1.0, clip_norm / (norm.item<double>() + 1e-6)) : 1.0);
    if (clip_value > 0) clipped = clipped.clamp(-clip_value, clip_value);
    steps.fill_(t);
    at::_fused_adamw_({value}, {clipped}, {first}, {second}, {}, {steps}, rate, beta1, beta2, decay, eps, false, false);
    engine([&] {
      view(parameters.gradient("tensor", {size})).copy_(gradient);
      const double found = gradient_norm(parameters, workers);
      const double scale = clip_norm > 0 ? std::min(1.0, clip_norm / (found + 1e-6)) : 1.0;
      adamw_step(parameters, {rate, beta1, beta2, eps, decay, t, scale, clip_value}, workers);
      all.push_back({"norm", at::tensor(found), norm});
    });
  }
  all.push_back({"values", out(view(parameters.values())), value.to(at::kDouble)});
  all.push_back({"first moments", out(view(parameters.first_moments())), first.to(at::kDouble)});
  all.push_back({"second moments", out(view(parameters.second_moments())), second.to(at::kDouble)});
  all.push_back({"gradients after", out(view(parameters.gradients())), at::zeros({size}, at::kDouble)});
  report(title("AdamW", {{"clip by norm", clip_norm}, {"clip by value", clip_value}}), all);
}

}  // namespace

void test_model_ops() {
  for (const double rate : {0.0, 0.1}) {
    test_embedding({1}, 26, rate);
    test_embedding({512, 3, 3, 1}, 64, rate);
  }
  test_pooling("mean", Pooling::mean, [](const at::Tensor& rows) { return rows.mean(0); });
  test_pooling("sum", Pooling::sum, [](const at::Tensor& rows) { return rows.sum(0); });
  test_pooling("max", Pooling::max, [](const at::Tensor& rows) { return rows.amax(0); });
  for (const double rate : {0.0, 0.1}) {
    const auto first = Pooling::first;
    using enum HeadActivation;
    test_head({"one layer", {first, "", tanh, "linear", false, 1, 0, false}}, rate);
    test_head({"one layer with bias", {first, "", tanh, "linear", true, 1, 0, false}}, rate);
    test_head({"log-probability of two labels", {first, "", tanh, "linear", true, 2, 1, true}}, rate);
    test_head({"log-probability of three labels", {first, "", tanh, "linear", true, 3, 1, true}}, rate);
    test_head({"mono with bert_pool", {first, "bert_pool.0", tanh, "linear", false, 1, 0, false}}, rate);
    test_head({"ELECTRA", {first, "classifier.dense", gelu, "classifier.out_proj", true, 3, 1, false}, true, true},
              rate);
    test_head({"RoBERTa", {first, "classifier.dense", tanh, "classifier.out_proj", true, 1, 0, false}, true, true},
              rate);
    test_head({"BERT", {first, "pooler.dense", tanh, "classifier", true, 2, 1, false}, false, true}, rate);
    test_head({"DistilBERT", {first, "pre_classifier", relu, "classifier", true, 2, 0, false}, false, true}, rate);
  }
  test_adamw(0, 0);
  test_adamw(1.5, 0);
  test_adamw(0, 0.3);
}

}  // namespace rank_distillm
