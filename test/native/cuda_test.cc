// Compares the CUDA kernels with the references of their ops, and a model on kernels with one on references. In a build
// for CUDA the kernels run on the GPU. In other builds they run on a simulated one (simt.h), twice, with the threads in
// both orders: the order must not change a bit. Prints one line of JSON per case.
// usage: cuda_test [small | all]. `small` is for sanitizers; `all` adds sizes that take long when they are simulated.

#include <ATen/ATen.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "compare.h"
#include "cuda/device_model.h"
#include "cuda/ops/activation.h"
#include "cuda/ops/attention.h"
#include "cuda/ops/dropout.h"
#include "cuda/ops/embedding.h"
#include "cuda/ops/norm.h"
#include "cuda/ops/pooling.h"
#include "cuda/runtime.h"
#include "cuda/score_in_blocks.h"

#if !RANK_DISTILLM_CUDA
#include "simt.h"

namespace rank_distillm {
bool kernels_are_simulated = false;
}
#endif

namespace {

using namespace rank_distillm;

const Device& device() {
  static const Device found("cuda", 0);
  return found;
}

/// Moves an op's inputs to where it runs.
using Place = std::function<at::Tensor(const at::Tensor&)>;
using Results = std::vector<at::Tensor>;
using Op = std::function<Results(const Place&)>;

Results by_reference(const Op& op) {
  return op([](const at::Tensor& tensor) { return tensor.clone(); });
}

Results by_kernels(const Op& op, bool backwards) {
#if RANK_DISTILLM_CUDA
  (void)backwards;
  auto found = op([](const at::Tensor& tensor) { return tensor.to(device().place(), false, true); });
  for (auto& tensor : found) tensor = tensor.cpu();
  return found;
#else
  simt::Block::backwards = backwards;
  kernels_are_simulated = true;
  auto found = op([](const at::Tensor& tensor) { return tensor.clone(); });
  kernels_are_simulated = false;
  return found;
#endif
}

/// `names` of the results; the tolerance is relative to the largest value.
void compare(const std::string& name, const std::vector<const char*>& names, double tolerance, const Op& op) {
  const auto expected = by_reference(op), found = by_kernels(op, false), again = by_kernels(op, true);
  std::string detail;
  for (size_t i = 0; i < names.size(); ++i) {
    const double off = difference(found[i].to(at::kFloat), expected[i].to(at::kDouble));
    if (!(off <= tolerance)) detail += std::string(names[i]) + " is off by " + std::to_string(off) + "; ";
    if (!at::equal(found[i], again[i])) detail += std::string(names[i]) + " differs when it runs again; ";
  }
  if (!detail.empty()) ++failures;
  std::cout << R"({"name": ")" << name << R"(", "ok": )" << (detail.empty() ? "true" : "false") << R"(, "detail": ")"
            << detail << "\"}" << std::endl;
}

struct Types {
  const char* name;
  at::ScalarType compute, stream;
  double tolerance;
};

/// bfloat16 has eight significant bits: two roundings of a number may differ by one of them.
const std::vector<Types> all_types = {{"float32", at::kFloat, at::kFloat, 1e-5},
                                      {"bf16-mixed", at::kBFloat16, at::kFloat, 1.0 / 256},
                                      {"bf16-true", at::kBFloat16, at::kBFloat16, 1.0 / 256}};

PackedBatch batch_of(const std::vector<int>& lengths) {
  PackedBatch batch;
  batch.cu_seqlens.push_back(0);
  for (const int length : lengths) {
    for (int t = 0; t < length; ++t) {
      const auto token = static_cast<int32_t>(batch.input_ids.size());
      batch.input_ids.push_back(token * 7 % 50);
      batch.token_type_ids.push_back(t > length / 3 ? 1 : 0);
    }
    batch.cu_seqlens.push_back(batch.cu_seqlens.back() + length);
  }
  return batch;
}

const std::vector<uint32_t> pairs = {3, 14, 15, 92, 65, 35, 89, 79, 32, 38};

/// A block with its tensors moved by `place`.
DeviceBlock block_at(const Place& place, const std::vector<int>& lengths) {
  const auto batch = batch_of(lengths);
  const Block all = {0, batch.sequences(), 0, static_cast<int64_t>(batch.input_ids.size())};
  DeviceBlock block(batch, all, pairs.data(), device());
  for (auto* tensor : {&block.ids, &block.types, &block.positions, &block.first_tokens, &block.rows.pairs,
                       &block.rows.tokens, &block.first_rows.pairs, &block.first_rows.tokens, &block.all.offsets,
                       &block.all.tiles, &block.first.offsets, &block.first.tiles}) {
    *tensor = place(tensor->cpu());
  }
  return block;
}

DeviceNorm norm_at(const Place& place, const at::Tensor& numbers) {
  const auto columns = numbers.size(1);
  return {place(numbers[0]), place(numbers[1]), place(at::zeros({columns})), place(at::zeros({columns})), 1e-12};
}

void test_norm(int rows, int columns, const Types& types, double rate) {
  const auto branch = normal({rows, columns}).to(types.compute), residual = normal({rows, columns}).to(types.stream);
  const auto numbers = normal({2, columns}), gradient = normal({rows, columns});
  const auto more = normal({rows, columns}).to(types.compute);
  compare(title("norm", {{"rows", rows}, {"columns", columns}, {"dropout", rate}}) + ", " + types.name,
          {"exact", "compute", "residual's gradient", "branch's gradient", "weight's", "bias's"},
          rate > 0 ? 2 * types.tolerance : types.tolerance, [&](const Place& place) -> Results {
            const auto block = block_at(place, {rows});
            const auto norm = norm_at(place, numbers);
            const auto dropout = dropout_of(rate, DropoutSite::layer_output);
            DeviceNormState state;
            const auto hidden = residual_norm(place(branch), place(residual), norm, dropout, block.rows, &state);
            const auto found = residual_norm_backward(place(gradient), place(more), norm, dropout, block.rows, state);
            return {hidden.exact, hidden.compute,       found.residual,
                    found.branch, norm.weight_gradient, norm.bias_gradient};
          });
}

void test_embedding(const std::vector<int>& lengths, int columns, const Types& types, double rate) {
  const auto word = normal({50, columns}), position = normal({512, columns}), type = normal({2, columns});
  const auto numbers = normal({2, columns});
  const auto tokens = static_cast<int64_t>(batch_of(lengths).input_ids.size());
  const auto gradient = normal({tokens, columns});
  compare(title("embedding", {{"tokens", static_cast<double>(tokens)}, {"columns", columns}, {"dropout", rate}}) +
              ", " + types.name,
          {"exact", "compute", "words' gradient", "positions'", "types'", "weight's", "bias's"}, types.tolerance,
          [&](const Place& place) -> Results {
            const auto block = block_at(place, lengths);
            const auto table = [&](const at::Tensor& values) {
              return DeviceTable{place(values), place(at::zeros_like(values))};
            };
            const DeviceEmbedding embedding = {table(word), table(position), table(type), norm_at(place, numbers), 7};
            const auto dropout = dropout_of(rate, DropoutSite::embeddings);
            DeviceNormState state;
            const auto hidden = embed(block, embedding, dropout, {types.compute, types.stream}, &state);
            embed_backward(block, embedding, dropout, state, place(gradient));
            return {hidden.exact,
                    hidden.compute,
                    embedding.word.gradient,
                    embedding.position.gradient,
                    embedding.type.gradient,
                    embedding.norm.weight_gradient,
                    embedding.norm.bias_gradient};
          });
}

void test_activation(int count, Epilogue activation, const char* name, at::ScalarType type) {
  const auto before = normal({count}).mul(3).to(type), gradient = normal({count}).to(type);
  const bool exact = type == at::kFloat;
  compare(title(name, {{"count", count}}) + (exact ? ", float32" : ", bfloat16"), {"output", "gradient"},
          exact ? 1e-5 : 1.0 / 256, [&](const Place& place) -> Results {
            const auto at_place = place(before), slope = place(gradient);
            const auto output = device_activation(at_place, activation, false);
            device_activation_backward_(slope, at_place, activation);
            return {output, slope};
          });
}

struct AttentionCase {
  std::vector<int> lengths;
  int heads;
  int size;
  bool first_rows;
  double rate;
};

void test_attention(const AttentionCase& test, at::ScalarType type) {
  const auto& [lengths, heads, size, first_rows, rate] = test;
  const int64_t tokens = static_cast<int64_t>(batch_of(lengths).input_ids.size()), columns = int64_t{heads} * size;
  const int64_t queries = first_rows ? static_cast<int64_t>(lengths.size()) : tokens;
  const auto qkv = normal({tokens, 3 * columns}).to(type), first = normal({queries, columns}).to(type);
  const auto gradient = normal({queries, columns}).to(type);
  const bool exact = type == at::kFloat;
  std::string name = title("attention", {{"sequences", static_cast<double>(lengths.size())},
                                         {"tokens", static_cast<double>(tokens)},
                                         {"heads", heads},
                                         {"size", size},
                                         {"dropout", rate}});
  name += std::string(first_rows ? ", first rows" : "") + (exact ? ", float32" : ", bfloat16");
  compare(name, {"context", "log sums", "queries' gradient", "keys'", "values'"}, exact ? 1e-5 : 0.02,
          [&](const Place& place) -> Results {
            const auto block = block_at(place, lengths);
            const auto all = place(qkv);
            const auto part = [&](int i) { return all.narrow(1, i * columns, columns); };
            const AttentionInputs inputs = {first_rows ? place(first) : part(0), part(1), part(2)};
            const auto gradients = at::zeros_like(all);
            const AttentionInputs into = {first_rows ? at::zeros_like(inputs.query) : gradients.narrow(1, 0, columns),
                                          gradients.narrow(1, columns, columns),
                                          gradients.narrow(1, 2 * columns, columns)};
            const DeviceAttention attention = {block, first_rows ? block.first : block.all, heads,
                                               dropout_of(rate, DropoutSite::attention_weights)};
            const auto output = device_attention(attention, inputs, true);
            device_attention_backward(attention, inputs, output, place(gradient), into);
            return {output.context, output.log_sums, into.query, into.key, into.value};
          });
}

void test_pooling(Pooling pooling, const char* name) {
  const auto hidden = normal({40, 26}), gradient = normal({3, 26});
  compare(name, {"pooled", "gradient"}, 1e-5, [&](const Place& place) -> Results {
    const auto block = block_at(place, {1, 30, 9});
    const auto rows = place(hidden);
    const auto pooled = device_pool(rows, block, pooling);
    return {pooled, device_pool_backward(place(gradient), rows, pooled, block, pooling)};
  });
}

/// A random model's tensors, named as in binding.d.ts.
std::vector<TensorSource> model_tensors(const EncoderConfig& config) {
  std::vector<TensorSource> tensors;
  const auto add = [&](const std::string& name, at::IntArrayRef shape, double scale, double mean = 0) {
    tensors.push_back(source(name, normal(shape).mul(scale).add(mean)));
  };
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", {out, in}, 1 / std::sqrt(static_cast<double>(in)));
    add(name + ".bias", {out}, 0.1);
  };
  const auto norm = [&](const std::string& name, int64_t size) {
    add(name + ".weight", {size}, 0.1, 1);
    add(name + ".bias", {size}, 0.1);
  };
  const auto width = config.embedding_size, hidden = config.hidden_size, wide = config.intermediate_size;
  add("embeddings.word_embeddings.weight", {config.vocab_size, width}, 1);
  add("embeddings.position_embeddings.weight", {config.max_positions, width}, 1);
  add("embeddings.token_type_embeddings.weight", {config.type_vocab_size, width}, 1);
  norm("embeddings.LayerNorm", width);
  if (width != hidden) linear("embeddings_project", hidden, width);
  for (int64_t i = 0; i < config.layers; ++i) {
    const auto prefix = "encoder.layer." + std::to_string(i) + ".";
    for (const auto* part : {"query", "key", "value"}) linear(prefix + "attention.self." + part, hidden, hidden);
    linear(prefix + "attention.output.dense", hidden, hidden);
    norm(prefix + "attention.output.LayerNorm", hidden);
    linear(prefix + "intermediate.dense", wide, hidden);
    linear(prefix + "output.dense", hidden, wide);
    norm(prefix + "output.LayerNorm", hidden);
  }
  linear("classifier.dense", hidden, hidden);
  linear("classifier.out_proj", 1, hidden);
  return tensors;
}

ModelOptions model_options(int64_t embedding, ElementType precision) {
  ModelOptions options;
  options.encoder = {50, embedding, 64, 2, 2, 96, 512, 2, 1e-12, Epilogue::gelu};
  options.head = {Pooling::first, "classifier.dense", HeadActivation::gelu, "classifier.out_proj", true, 1, 0, false};
  options.precision = precision;
  return options;
}

/// Scores and all gradients of a model with dropout.
void test_model(int64_t embedding, ElementType precision) {
  const auto options = model_options(embedding, precision);
  const auto tensors = model_tensors(options.encoder);
  const bool exact = precision == ElementType::float32;
  compare(title("model", {{"embedding", static_cast<double>(embedding)}}) + (exact ? ", float32" : ", bf16-mixed"),
          {"scores", "gradients"}, exact ? 1e-4 : 0.05, [&](const Place& place) -> Results {
            const auto on = place(at::zeros({1})).device();
            const auto parameters = device_parameters(tensors, on_this_thread, on);
            const DeviceModel model(options, device(), 7, parameters);
            const auto block = block_at(place, {70, 5, 33});
            const DropoutRates rates = {{0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 7, 3};
            Counters counters;
            OpClock clock(device(), false);
            DeviceModel::State state;
            const auto scores = model.forward({block, rates, make_cancel_flag(), counters, clock}, &state);
            model.backward({block, rates, make_cancel_flag(), counters, clock}, state, place(at::ones({3})),
                           [](int64_t) {});
            return {scores, parameters.gradients()};
          });
}

void test_cublas_without_memory() {
  const auto means = [](const char* message) {
    try {
      TORCH_CHECK(false, message);
    } catch (const c10::Error& error) {
      return at::full({1}, means_out_of_memory(error), at::kFloat);
    }
  };
  report(
      "cuBLAS without memory is told from its other errors",
      {{"no memory", means("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasGemmEx`"), at::ones({1})},
       {"another", means("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx`"), at::zeros({1})}});
}

#if !RANK_DISTILLM_CUDA
/// A launch without memory is handled like a tensor without memory: smaller blocks give the same scores.
void test_launch_without_memory() {
  const auto options = model_options(64, ElementType::float32);
  const auto parameters = device_parameters(model_tensors(options.encoder), on_this_thread, device().place());
  const DeviceModel model(options, device(), 7, parameters);
  const auto batch = batch_of({70, 5, 33, 64, 9});
  kernels_are_simulated = true;
  const auto score = [&](int launches) {
    cuda::launches_until_full = launches;
    int64_t block_tokens = 1000;
    return score_in_blocks(model, batch, block_tokens, false, make_cancel_flag());
  };
  const auto enough = score(-1), short_of_memory = score(3);
  kernels_are_simulated = false;
  const auto halved = static_cast<double>(short_of_memory.halved_to);
  report("a launch without memory halves the block",
         {{"scores", at::tensor(short_of_memory.values), at::tensor(enough.values).to(at::kDouble)},
          {"tokens", at::full({1}, halved, at::kDouble), at::full({1}, 90, at::kDouble)}});
}
#endif

/// Tests the setting: whether cuBLAS would sum in bfloat16 depends on shapes and its version.
void test_product_sums() {
  auto& context = at::globalContext();
  context.setAllowBF16ReductionCuBLAS(false);
  const auto in_float32 = context.allowBF16ReductionCuBLAS();  // a bool or an enum, as LibTorch's version has it
  context.setAllowBF16ReductionCuBLAS(true);
  const DeviceScope scope(device(), false);
  const bool lower = context.allowBF16ReductionCuBLAS() != in_float32;
  report("sums of bfloat16 products stay float32", {{"lower", at::full({1}, lower, at::kFloat), at::zeros({1})}});
}

void test_attention_of_size(int size, at::ScalarType type) {
  test_attention({{1, 64, 65}, 2, size, false, 0}, type);
  test_attention({{63, 130}, 1, size, false, 0.1}, type);
  test_attention({{2, 100, 1}, 2, size, true, 0.1}, type);
}

void test_small() {
  test_product_sums();
  test_cublas_without_memory();
#if !RANK_DISTILLM_CUDA
  test_launch_without_memory();
#endif
  for (const auto& types : all_types) {
    test_norm(7, 64, types, 0.1);
    test_norm(5, 26, types, 0);
    test_embedding({3, 9}, 32, types, 0.1);
  }
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    test_activation(1003, Epilogue::gelu, "gelu", type);
    test_attention({{70, 1, 33}, 2, 32, false, 0.1}, type);
    test_attention({{5, 66}, 1, 26, true, 0.1}, type);
  }
}

void test_usual() {
  test_small();
  for (const auto& types : all_types) {
    for (const int columns : {8, 312, 384, 768, 1024, 1030, 2048}) {
      test_norm(1, columns, types, 0);
      test_norm(70, columns, types, columns == 768 ? 0.1 : 0);
    }
    test_norm(530, 128, types, 0.1);
    test_embedding({1, 70}, 768, types, 0);
    test_embedding({512}, 26, types, 0.1);
  }
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const int count : {1, 8, 4096}) {
      test_activation(count, Epilogue::gelu, "gelu", type);
      test_activation(count, Epilogue::gelu_tanh, "gelu_tanh", type);
      test_activation(count, Epilogue::relu, "relu", type);
    }
    // one size for each kernel: by single values, by vectors, the largest for tensor cores, and a larger one
    for (const int size : {26, 64, 128, 160}) test_attention_of_size(size, type);
  }
  test_pooling(Pooling::mean, "mean pooling");
  test_pooling(Pooling::sum, "sum pooling");
  test_pooling(Pooling::max, "max pooling");
  for (const auto precision : {ElementType::float32, ElementType::bfloat16}) {
    test_model(64, precision);
    test_model(24, precision);
  }
}

void test_all() {
  test_usual();
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    for (const int size : {16, 32, 96}) test_attention_of_size(size, type);
    test_attention({{512}, 1, 64, false, 0}, type);
    test_attention({{511, 3}, 1, 32, false, 0.1}, type);
  }
}

}  // namespace

int main(int count, char** arguments) {
#if !RANK_DISTILLM_CUDA
  setenv("RANK_DISTILLM_EMULATE_CUDA", "1", 0);
#endif
  at::manual_seed(20261125);
  const DeviceScope scope(device(), false);
  const std::string sizes = count > 1 ? arguments[1] : "";
  engine([&] { sizes == "small" ? test_small() : sizes == "all" ? test_all() : test_usual(); });
  return failures == 0 ? 0 : 1;
}
