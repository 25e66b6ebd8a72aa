#include "api/gemm_rate.h"

#include <vector>

#include "api/environment.h"
#include "api/js_values.h"
#include "core/cpu.h"
#include "kernels/packed_weights.h"

namespace rank_distillm {
namespace {

/// Each thread multiplies its share of the rows, as in a model.
double own_rate(const GemmCase& measured, Workers& workers) {
  const auto& [shape, type, repeats] = measured;
  const auto& level = kernels();
  const auto multiply = level.product_of(type);
  const bool emulated =
      (type == ElementType::bfloat16 && !cpu_has_bf16()) || (type == ElementType::int8 && !cpu_has_int8());
  if (emulated) return 0;
  std::vector<float> weight(shape.n * shape.k);
  for (size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i % 1999) / 999 - 1;
  const PackedWeights packed(level, type, weight.data(), nullptr, shape.n, shape.k, loop_on(workers));
  const int64_t threads = workers.count(), share = (shape.m + threads - 1) / threads;
  const int64_t bytes = element_bytes(type);
  const int64_t in_stride = row_stride(shape.k, bytes), out_stride = row_stride(shape.n, 4);
  struct Memory {
    AlignedBuffer input, output, scales;
  };
  std::vector<Memory> memory;
  memory.reserve(threads);
  for (int64_t i = 0; i < threads; ++i) {
    memory.push_back(
        {AlignedBuffer(share * in_stride), AlignedBuffer(share * out_stride), AlignedBuffer(share * sizeof(RowScale))});
  }
  return best_rate({share * threads, shape.n, shape.k}, repeats, [&] {
    workers.run(threads, [&](int64_t i) {
      uint64_t ticks = 0;
      const auto& own = memory[i];
      multiply({share,
                {own.input.data(), in_stride},
                own.scales.as<RowScale>(),
                packed.view(),
                Epilogue::none,
                {own.output.data(), out_stride},
                ElementType::float32,
                &ticks});
      level.release();
    });
  });
}

}  // namespace

GemmCase read_gemm_case(const Napi::CallbackInfo& info) {
  const auto object = info[0].ToObject();
  const auto size = [&object](const char* key) { return object.Get(key).ToNumber().Int64Value(); };
  const GemmCase measured = {
      {size("m"), size("n"), size("k")}, read_precision(info[1]), info[2].ToNumber().Int32Value()};
  const auto& [shape, precision, repeats] = measured;
  if (shape.m < 1 || shape.n < 1 || shape.k < 1 || repeats < 1) {
    throw Napi::TypeError::New(info.Env(), "m, n, k and repeats must be at least 1");
  }
  return measured;
}

Napi::Value gemm_rate(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [measured = read_gemm_case(info)](Workers& workers) { return own_rate(measured, workers); },
          [](Napi::Env env, double& rate) -> Napi::Value { return Napi::Number::New(env, rate); });
}

}  // namespace rank_distillm
