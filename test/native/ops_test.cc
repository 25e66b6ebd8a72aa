// Compares every op's backward with LibTorch's autograd in float64 with the same dropout masks. Prints one line of JSON
// per case, which test/native/test-program.ts reads.

#include <ATen/ATen.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "compare.h"
#include "core/aligned_buffer.h"
#include "model/config.h"
#include "ops/dropout.h"
#include "ops/embedding_training.h"
#include "ops/layer_norm_training.h"
#include "ops/linear_training.h"
#include "ops/pooling.h"
#include "train/adamw.h"
#include "train/packed_linear.h"
#include "train/parameters.h"
#include "train/trainable_head.h"
#include "train/weight_gradient.h"

namespace {

using namespace rank_distillm;

void test_dropout(double rate) {
  const int64_t rows = 200, columns = 977;
  const auto values = at::ones({rows, columns});
  dropout_(values, dropout_of(rate, DropoutSite::attention_output), row_ids(rows));
  const auto dropped = values.eq(0).to(at::kDouble).mean().item<double>();
  const auto kept = values.max().item<double>();
  // ± 0.5 points; five standard deviations are 0.34 points at 200 · 977 draws
  report(title("dropout drops its share and scales the rest", {{"rate", rate}}),
         {{"share", at::tensor(std::abs(dropped - rate) <= 0.005 ? rate : dropped), at::tensor(rate).to(at::kDouble)},
          {"scale", at::tensor(kept), at::tensor(1 / (1 - rate)).to(at::kDouble)}});
}

/// Random123's known answer for Philox4x32-10 with counter and key zero (kat_vectors). A factor is 0 exactly if its
/// number is below the threshold, so a bisection over thresholds finds the number.
void test_philox() {
  const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const auto found = at::zeros({4}, at::kDouble), wanted = at::zeros({4}, at::kDouble);
  for (int i = 0; i < 4; ++i) {
    double low = 0, high = 1;
    for (int bit = 0; bit < 32; ++bit) {
      const double middle = (low + high) / 2;
      float factors[4];
      dropout_factors({middle, 0, 0, 0, DropoutSite::embeddings}, {0, 0}, factors, 4);
      (factors[i] == 0 ? high : low) = middle;
    }
    found[i] = low;
    wanted[i] = zero[i] / 4294967296.0;
  }
  report("masks are Philox4x32-10 (Random123's known answer)", {{"numbers", found, wanted}});
}

/// A tensor's values in the layout of kernels.
class RowsOf {
 public:
  explicit RowsOf(const at::Tensor& values)
      : count_(values.size(0)), columns_(values.size(1)), buffer_(count_ * row_stride(columns_, 4)) {
    const auto numbers = values.contiguous();
    for (int64_t r = 0; r < count_; ++r) {
      std::memcpy(rows().row(r), numbers.const_data_ptr<float>() + r * columns_, columns_ * 4);
    }
  }
  Rows rows() const { return {buffer_.data(), row_stride(columns_, 4)}; }
  at::Tensor values() const {
    return at::from_blob(buffer_.data(), {count_, columns_}, {row_stride(columns_, 4) / 4, 1}, at::kFloat).clone();
  }

 private:
  int64_t count_, columns_;
  AlignedBuffer buffer_;
};

void test_linear(int64_t rows, int64_t in, int64_t out_size, bool bias) {
  const auto x = normal({rows, in}), w = normal({out_size, in}), b = normal({out_size}), g = normal({rows, out_size});
  const auto dx = leaf(x), dw = leaf(w), db = leaf(b);
  const auto y = at::linear(dx, dw, bias ? std::optional<at::Tensor>(db) : std::nullopt);
  y.backward(g.to(at::kDouble));
  at::Tensor found, input, weight, bias_gradient;
  engine([&] {
    TrainableLinear layer{w.clone(), bias ? b.clone() : at::Tensor(), at::zeros_like(w),
                          bias ? at::zeros_like(b) : at::Tensor()};
    Counters counters;
    found = out(linear_training(x, layer, counters));
    linear_backward_weights(g, x, layer, counters);
    input = out(linear_backward_input(g, layer, counters));
    weight = layer.weight_gradient;
    bias_gradient = layer.bias_gradient;
  });
  std::vector<Comparison> all = {
      {"output", found, y.detach()}, {"weight", weight, dw.grad()}, {"input", input, dx.grad()}};
  if (bias) all.push_back({"bias", bias_gradient, db.grad()});
  report(title("linear of a head", {{"rows", rows}, {"in", in}, {"out", out_size}, {"bias", bias}}), all);
}

/// A layer of the encoder followed by an activation, its rows in blocks of odd sizes.
void test_packed_linear(const char* name, Epilogue activation, int64_t rows, int64_t in, int64_t out_size,
                        const std::function<at::Tensor(const at::Tensor&)>& reference) {
  const auto x = normal({rows, in}), w = normal({out_size, in}), b = normal({out_size}), g = normal({rows, out_size});
  const auto dx = leaf(x), dw = leaf(w), db = leaf(b);
  const auto before = at::linear(dx, dw, db);
  const auto y = reference(before);
  y.backward(g.to(at::kDouble));
  // The activation's derivative is applied to the next layer's input gradient: that layer is the identity here.
  const auto unit = at::eye(out_size);
  Parameters parameters({source("layer.weight", w), source("layer.bias", b), source("unit.weight", unit),
                         source("unit.bias", at::zeros({out_size}))});
  const PackedLinear layer(parameters, {"layer"}, out_size, in, ElementType::float32);
  const PackedLinear next(parameters, {"unit"}, out_size, out_size, ElementType::float32);
  const RowsOf input(x), kept(at::zeros({rows, out_size})), output(at::zeros({rows, out_size})), above(g),
      slopes(at::zeros({rows, out_size})), below(at::ones({rows, in}));
  Counters counters;
  layer.forward(rows, input.rows(), activation, output.rows(), ElementType::float32, counters, kept.rows());
  next.backward(rows, above.rows(), slope_of(activation), slopes.rows(), ElementType::float32, counters, kept.rows());
  layer.backward(rows, slopes.rows(), Epilogue::add, below.rows(), ElementType::float32, counters);
  Arena arena;
  const int64_t first = (rows + 2) / 3, second = (first + 1) / 2 * 2;
  const WeightGradient weights(layer, second + rows - first, arena);
  const auto place = [&](int64_t from, int64_t count, int64_t to, int64_t end) {
    const auto part = [&](const RowsOf& all) { return Rows{all.rows().row(from), all.rows().stride}; };
    weights.place(part(slopes), part(input), Epilogue::none, count, to, end);
  };
  place(0, first, 0, second);
  place(first, rows - first, second, INT64_MAX);
  for (int64_t task = 0; task < weights.tasks(); ++task) weights.add(task, counters);
  report(title((std::string("layer with ") + name).c_str(), {{"rows", rows}, {"in", in}, {"out", out_size}}),
         {{"output", output.values(), y.detach()},
          {"before", kept.values(), before.detach()},
          {"input, added", below.values(), dx.grad() + 1},
          {"weight", parameters.gradient("layer.weight", {out_size, in}), dw.grad()},
          {"bias", parameters.gradient("layer.bias", {out_size}), db.grad()}});
}

void test_layer_norm(int64_t rows, int64_t hidden, double rate) {
  const auto branch = normal({rows, hidden}), residual = normal({rows, hidden}), g = normal({rows, hidden});
  const auto w = normal({hidden}), b = normal({hidden});
  const auto dropout = dropout_of(rate, DropoutSite::attention_output);
  const auto ids = row_ids(rows);
  const auto mask = mask_of(dropout, ids, hidden);
  const auto dbranch = leaf(branch), dresidual = leaf(residual), dw = leaf(w), db = leaf(b);
  const auto y = at::layer_norm(dbranch * mask + dresidual, {hidden}, dw, db, 1e-12);
  y.backward(g.to(at::kDouble));
  const auto weight = at::zeros({hidden}), bias = at::zeros({hidden});
  const TrainableNorm norm = {w.const_data_ptr<float>(),
                              b.const_data_ptr<float>(),
                              weight.data_ptr<float>(),
                              bias.data_ptr<float>(),
                              hidden,
                              1e-12F};
  const RowsOf branch_rows(branch), residual_rows(residual), normalized(at::zeros({rows, hidden})),
      branch_gradient(at::zeros({rows, hidden})), walking(g);
  std::vector<float> scale(rows);
  const NormState state = {normalized.rows(), scale.data()};
  residual_layer_norm_training({rows, branch_rows.rows(), residual_rows.rows(), residual_rows.rows()}, norm, dropout,
                               ids.data(), state);
  const int64_t sequences = (rows + 4) / 5;
  std::vector<float> sums(sequences * 2 * hidden, NAN);
  residual_layer_norm_backward({rows, walking.rows(), branch_gradient.rows()}, norm, dropout, ids.data(), state,
                               sums.data());
  add_norm_gradients(norm, sums.data(), sequences);
  report(title("dropout + residual + LayerNorm", {{"rows", rows}, {"hidden", hidden}, {"dropout", rate}}),
         {{"output", residual_rows.values(), y.detach()},
          {"residual", walking.values(), dresidual.grad()},
          {"branch", branch_gradient.values(), dbranch.grad()},
          {"weight", weight, dw.grad()},
          {"bias", bias, db.grad()}});
}

/// softmax(Q Kᵀ / √d) V of one sequence, [rows, heads · size] each.
at::Tensor attention_reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value, int64_t heads,
                               const std::vector<at::Tensor>& masks) {
  const auto split = [&](const at::Tensor& rows) { return rows.unflatten(1, {heads, -1}).transpose(0, 1); };
  const auto q = split(query), k = split(key), v = split(value);
  auto weights = at::softmax(at::matmul(q, k.transpose(1, 2)) / std::sqrt(static_cast<double>(q.size(2))), -1);
  weights = weights * at::stack(masks);
  return at::matmul(weights, v).transpose(0, 1).flatten(1);
}

void test_attention(int64_t length, int64_t heads, int64_t size, double rate, bool first_only) {
  const int64_t hidden = heads * size, queries = first_only ? 1 : length;
  const auto query = normal({queries, hidden}), key = normal({length, hidden}), value = normal({length, hidden});
  const auto g = normal({queries, hidden});
  const auto dropout = dropout_of(rate, DropoutSite::attention_weights);
  const auto dquery = leaf(query), dkey = leaf(key), dvalue = leaf(value);
  std::vector<RowId> ids;
  for (int64_t i = 0; i < queries; ++i) ids.push_back({10, static_cast<uint32_t>(i)});
  std::vector<at::Tensor> masks;
  for (int64_t head = 0; head < heads; ++head) {
    masks.push_back(mask_of(dropout, ids, length, static_cast<uint32_t>(head)));
  }
  const auto y = attention_reference(dquery, dkey, dvalue, heads, masks);
  y.backward(g.to(at::kDouble));
  const auto nothing = [&](int64_t rows) { return RowsOf(at::full({rows, hidden}, NAN)); };
  const RowsOf q(query), k(key), v(value), above(g);
  const auto output = nothing(queries), dq = nothing(queries), dk = nothing(length), dv = nothing(length);
  std::vector<float> softmax(2 * queries * heads);
  const AlignedBuffer scratch(attention_scratch(length, size)), more(attention_backward_scratch(length, size));
  const auto mask = dropout.mask({10, 0});
  kernels().attention_float32({queries, length, heads, size, q.rows(), k.rows(), v.rows(), output.rows(),
                               scratch.data(), softmax.data(), mask});
  kernels().attention_backward_float32({queries, length, heads, size, q.rows(), k.rows(), v.rows(), above.rows(),
                                        softmax.data(), mask, dq.rows(), dk.rows(), dv.rows(), more.data()});
  report(title("attention", {{"tokens", length},
                             {"heads", heads},
                             {"head size", size},
                             {"dropout", rate},
                             {"first row only", first_only}}),
         {{"output", output.values(), y.detach()},
          {"query", dq.values(), dquery.grad()},
          {"key", dk.values(), dkey.grad()},
          {"value", dv.values(), dvalue.grad()}});
}

TrainingBatch batch_of(const std::vector<int64_t>& lengths, int64_t vocabulary) {
  TrainingBatch batch;
  batch.packed.cu_seqlens.push_back(0);
  for (size_t i = 0; i < lengths.size(); ++i) {
    for (int64_t t = 0; t < lengths[i]; ++t) {
      batch.packed.input_ids.push_back(static_cast<int32_t>((t * 7 + i) % vocabulary));
      batch.packed.token_type_ids.push_back(static_cast<uint8_t>(t > lengths[i] / 2));
    }
    batch.packed.cu_seqlens.push_back(static_cast<int32_t>(batch.packed.input_ids.size()));
    batch.pairs.push_back(static_cast<uint32_t>(i));
  }
  return batch;
}

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
  at::Tensor found, gradient;
  engine([&] {
    found = out(pool(hidden, batch.packed, block, pooling));
    gradient = out(pool_backward(g, hidden, batch.packed, block, pooling));
  });
  report(std::string("pooling ") + name, {{"output", found, y.detach()}, {"input", gradient, dhidden.grad()}});
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
  engine([&] {
    const Parameters parameters(std::move(sources));
    EncoderConfig encoder;
    encoder.hidden_size = hidden;
    const TrainableHead head(encoder, config, parameters);
    const DropFirstRows drop = [&](const at::Tensor& values, const Dropout& dropout) {
      dropout_(values, dropout, rows.first);
    };
    HeadState state;
    Counters counters;
    all.push_back({"scores", out(head.forward(pooled, drop, rates, state, counters)), scores.detach()});
    all.push_back({"rows", out(head.backward(g, drop, rates, state, counters)), dpooled.grad()});
    const auto gradient = [&](const std::string& name, at::IntArrayRef shape) {
      return out(parameters.gradient(name, shape));
    };
    all.push_back({"output weight", gradient(config.output + ".weight", {labels, hidden}), doutput.grad()});
    if (config.bias) all.push_back({"output bias", gradient(config.output + ".bias", {labels}), doutput_bias.grad()});
    if (config.dense.empty()) return;
    all.push_back({"dense weight", gradient(config.dense + ".weight", {hidden, hidden}), ddense.grad()});
    all.push_back({"dense bias", gradient(config.dense + ".bias", {hidden}), ddense_bias.grad()});
  });
  report(title((std::string("head ") + name).c_str(), {{"dropout", rate}}), all);
}

/// Five steps compared with torch's fused AdamW, with gradients clipped by norm or by value.
void test_adamw(double clip_norm, double clip_value) {
  const int64_t size = 70'001;  // more than one chunk, and no multiple of the lanes
  const auto start = normal({size});
  const double rate = 1e-2, beta1 = 0.9, beta2 = 0.98, decay = 0.05, eps = 1e-7;
  const auto value = start.clone(), first = at::zeros({size}), second = at::zeros({size}), steps = at::zeros({});
  std::vector<Comparison> all;
  Parameters parameters({source("tensor", start)});
  Workers workers(2);
  for (int64_t t = 1; t <= 5; ++t) {
    const auto gradient = normal({size}) * static_cast<double>(t);
    const auto norm = gradient.to(at::kDouble).norm();
    auto clipped = gradient * (clip_norm > 0 ? std::min(1.0, clip_norm / (norm.item<double>() + 1e-6)) : 1.0);
    if (clip_value > 0) clipped = clipped.clamp(-clip_value, clip_value);
    steps.fill_(t);
    at::_fused_adamw_({value}, {clipped}, {first}, {second}, {}, {steps}, rate, beta1, beta2, decay, eps, false, false);
    engine([&] {
      parameters.gradient("tensor", {size}).copy_(gradient);
      const double found = gradient_norm(parameters, workers);
      const double scale = clip_norm > 0 ? std::min(1.0, clip_norm / (found + 1e-6)) : 1.0;
      adamw_step(parameters, {rate, beta1, beta2, eps, decay, t, scale, clip_value}, workers);
      all.push_back({"norm", at::tensor(found), norm});
    });
  }
  all.push_back({"values", out(parameters.values()), value.to(at::kDouble)});
  all.push_back({"first moments", out(parameters.first_moments()), first.to(at::kDouble)});
  all.push_back({"second moments", out(parameters.second_moments()), second.to(at::kDouble)});
  all.push_back({"gradients after", out(parameters.gradients()), at::zeros({size}, at::kDouble)});
  report(title("AdamW", {{"clip by norm", clip_norm}, {"clip by value", clip_value}}), all);
}

}  // namespace

int main() {
  at::manual_seed(42);
  test_philox();
  for (const double rate : {0.1, 0.5}) test_dropout(rate);
  for (const int64_t rows : {1, 7, 512}) {
    for (const bool bias : {true, false}) test_linear(rows, 26, 312, bias);
  }
  for (const int64_t rows : {1, 2, 37, 300}) {
    test_packed_linear("gelu", Epilogue::gelu, rows, 26, 312, [](const at::Tensor& x) { return at::gelu(x); });
    test_packed_linear("gelu_tanh", Epilogue::gelu_tanh, rows, 64, 39,
                       [](const at::Tensor& x) { return at::gelu(x, "tanh"); });
    test_packed_linear("relu", Epilogue::relu, rows, 17, 64, [](const at::Tensor& x) { return at::relu(x); });
  }
  for (const int64_t rows : {1, 65, 130}) {
    for (const int64_t hidden : {16, 26, 64, 312}) {
      for (const double rate : {0.0, 0.1}) test_layer_norm(rows, hidden, rate);
    }
  }
  for (const int64_t size : {16, 26, 64}) {
    for (const double rate : {0.0, 0.1}) {
      for (const bool first_only : {false, true}) {
        for (const int64_t length : {1, 7, 33, 130}) test_attention(length, 3, size, rate, first_only);
        test_attention(512, 2, size, rate, first_only);
      }
    }
  }
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
  return failures == 0 ? 0 : 1;
}
