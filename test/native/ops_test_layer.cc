// The backward of a layer's ops: linear layers, LayerNorm and attention.

#include <functional>
#include <string>

#include "model/config.h"
#include "ops/layer_norm_training.h"
#include "ops_test.h"
#include "train/packed_linear.h"
#include "train/parameters.h"
#include "train/weight_gradient.h"

namespace rank_distillm {
namespace {

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
  const auto parameters = make_parameters({source("layer.weight", w), source("layer.bias", b),
                                           source("unit.weight", unit), source("unit.bias", at::zeros({out_size}))},
                                          on_this_thread);
  const PackedLinear layer(parameters.linear({"layer"}, out_size, in), ElementType::float32);
  const PackedLinear next(parameters.linear({"unit"}, out_size, out_size), ElementType::float32);
  const RowsOf input(x), kept(at::zeros({rows, out_size})), output(at::zeros({rows, out_size})), above(g),
      slopes(at::zeros({rows, out_size})), below(at::ones({rows, in}));
  Counters counters;
  layer.forward(rows, input.rows(), activation, output.rows(), ElementType::float32, counters, kept.rows());
  next.backward(rows, above.rows(), derivative_epilogue(activation), slopes.rows(), ElementType::float32, counters,
                kept.rows());
  layer.backward(rows, slopes.rows(), Epilogue::add, below.rows(), ElementType::float32, counters);
  Arena arena;
  const int64_t first = (rows + 2) / 3, second = (first + 1) / 2 * 2;
  const WeightGradient weights(layer, second + rows - first, arena);
  const auto place = [&](int64_t from, int64_t count, int64_t to, int64_t end_row) {
    const auto part = [&](const RowsOf& all) { return Rows{all.rows().row(from), all.rows().stride}; };
    weights.place(part(slopes), part(input), Epilogue::none, count, to, end_row);
  };
  place(0, first, 0, second);
  place(first, rows - first, second, INT64_MAX);
  for (int64_t task = 0; task < weights.tasks(); ++task) weights.add(task, counters);
  report(title((std::string("layer with ") + name).c_str(), {{"rows", rows}, {"in", in}, {"out", out_size}}),
         {{"output", output.values(), y.detach()},
          {"before", kept.values(), before.detach()},
          {"input, added", below.values(), dx.grad() + 1},
          {"weight", view(parameters.gradient("layer.weight", {out_size, in})), dw.grad()},
          {"bias", view(parameters.gradient("layer.bias", {out_size})), db.grad()}});
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

}  // namespace

void test_layer_ops() {
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
}

}  // namespace rank_distillm
