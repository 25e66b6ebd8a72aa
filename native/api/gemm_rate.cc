#include "api/gemm_rate.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "api/environment.h"
#include "api/js_values.h"
#include "core/cpu.h"
#include "core/parallel.h"
#include "cuda/device_model.h"
#include "kernels/packed_weights.h"

namespace rank_distillm {
namespace {

struct Shape {
  int64_t m, n, k;
};

/// One extra call: the first one builds kernels and touches memory.
double best_rate(const Shape& shape, int repeats, const std::function<void()>& multiply) {
  double best = 0;
  for (int i = 0; i <= repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    multiply();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2e-9 * static_cast<double>(shape.m * shape.n * shape.k) / elapsed.count());
  }
  return best;
}

at::ScalarType scalar_type(ElementType precision) {
  return precision == ElementType::bfloat16 ? at::kBFloat16 : at::kFloat;
}

/// Each thread multiplies its share of the rows, as in a model.
double own_rate(const Shape& shape, ElementType type, int repeats, Workers& workers) {
  const auto& level = kernels();
  const auto multiply = level.product_of(type);
  const bool emulated =
      (type == ElementType::bfloat16 && !cpu_has_bf16()) || (type == ElementType::int8 && !cpu_has_int8());
  if (emulated) return 0;
  const auto weight = at::randn({shape.n, shape.k});
  const PackedWeights packed(level, type, weight.const_data_ptr<float>(), nullptr, shape.n, shape.k,
                             [](int64_t count, const auto& body) { parallel_for(count, 1, body); });
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

double aten_rate(const Shape& shape, ElementType precision, int repeats) {
  if (are_integers(precision)) return 0;
  const auto options = at::TensorOptions().dtype(scalar_type(precision));
  const auto input = at::randn({shape.m, shape.k}, options), weight = at::randn({shape.n, shape.k}, options);
  return best_rate(shape, repeats, [&] { at::linear(input, weight); });
}

/// Consecutive products on a device, so that launches do not limit the rate.
constexpr int products_together = 10;

double device_rate(const Device& device, const Shape& shape, ElementType precision, bool tf32, int repeats) {
  if (are_integers(precision)) return 0;
  const DeviceScope scope(device, tf32);
  const auto options = at::TensorOptions().dtype(scalar_type(precision)).device(device.place());
  const auto input = at::randn({shape.m, shape.k}, options), weight = at::randn({shape.n, shape.k}, options);
  const auto multiply = [&] {
    for (int i = 0; i < products_together; ++i) at::linear(input, weight);
    device.synchronize();
  };
  return best_rate({shape.m * products_together, shape.n, shape.k}, repeats, multiply);
}

/// oneDNN with weights packed for these rows, as torch.compile calls it; 0 if this LibTorch or CPU does not support it.
double onednn_rate(const Shape& shape, ElementType precision, int repeats) {
  if (are_integers(precision)) return 0;
  try {
    const auto options = at::TensorOptions().dtype(scalar_type(precision));
    const auto input = at::randn({shape.m, shape.k}, options), weight = at::randn({shape.n, shape.k}, options);
    auto& dispatcher = c10::Dispatcher::singleton();
    const auto pack = dispatcher.findSchemaOrThrow("mkldnn::_reorder_linear_weight", "");
    const auto apply = dispatcher.findSchemaOrThrow("mkldnn::_linear_pointwise", "");
    torch::jit::Stack stack = {weight, c10::IValue(shape.m)};
    pack.callBoxed(stack);
    const auto packed = stack.front().toTensor();
    return best_rate(shape, repeats, [&] {
      torch::jit::Stack call = {
          input, packed, c10::IValue(), c10::IValue("none"), c10::List<std::optional<at::Scalar>>(), c10::IValue()};
      apply.callBoxed(call);
    });
  } catch (const c10::Error&) {
    return 0;
  }
}

}  // namespace

Napi::Value gemm_rate(const Napi::CallbackInfo& info) {
  const auto object = info[0].ToObject();
  const auto size = [&object](const char* key) { return object.Get(key).ToNumber().Int64Value(); };
  const Shape shape = {size("m"), size("n"), size("k")};
  const auto precision = read_precision(info[1]);
  const auto kernel = info[2].ToString().Utf8Value();
  const int repeats = info[3].ToNumber().Int32Value();
  if (shape.m < 1 || shape.n < 1 || shape.k < 1 || repeats < 1) {
    throw Napi::TypeError::New(info.Env(), "gemmRate: m, n, k and repeats must be at least 1");
  }
  if (kernel != "own" && kernel != "aten" && kernel != "onednn") {
    throw Napi::TypeError::New(info.Env(), "gemmRate: kernel must be own, aten or onednn");
  }
  const auto device = info[4].IsString() ? info[4].ToString().Utf8Value() : std::string("cpu");
  const bool tf32 = info[5].ToBoolean();
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [=](Workers& workers) -> double {
            if (device != "cpu") {
              return kernel == "aten" ? device_rate(Device(device, 0), shape, precision, tf32, repeats) : 0;
            }
            if (kernel == "own") return own_rate(shape, precision, repeats, workers);
            return kernel == "aten" ? aten_rate(shape, precision, repeats) : onednn_rate(shape, precision, repeats);
          },
          [](Napi::Env env, double& rate) -> Napi::Value { return Napi::Number::New(env, rate); });
}

}  // namespace rank_distillm
