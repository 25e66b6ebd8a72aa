#include "torch/rival_gemm_rate.h"

#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <string>

#include "api/environment.h"
#include "api/gemm_rate.h"
#include "cuda/device_model.h"

namespace rank_distillm {
namespace {

at::ScalarType scalar_type(ElementType precision) {
  return precision == ElementType::bfloat16 ? at::kBFloat16 : at::kFloat;
}

double aten_rate(const GemmShape& shape, ElementType precision, int repeats) {
  if (are_integers(precision)) return 0;
  const auto options = at::TensorOptions().dtype(scalar_type(precision));
  const auto input = at::randn({shape.m, shape.k}, options), weight = at::randn({shape.n, shape.k}, options);
  return best_rate(shape, repeats, [&] { at::linear(input, weight); });
}

/// Consecutive products on a device, so that launches do not limit the rate.
constexpr int products_together = 10;

double device_rate(const Device& device, const GemmShape& shape, ElementType precision, bool tf32, int repeats) {
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
double onednn_rate(const GemmShape& shape, ElementType precision, int repeats) {
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

/// A thread's first op, or its first request for the number of threads, adopts the number that any thread set last;
/// requesting it before setting it keeps a later op from replacing the setting.
void set_torch_threads(int threads) {
  at::get_num_threads();
  at::set_num_threads(threads);
}

}  // namespace

Napi::Value rival_gemm_rate(const Napi::CallbackInfo& info) {
  const auto measured = read_gemm_case(info);
  const auto kernel = info[3].ToString().Utf8Value();
  if (kernel != "aten" && kernel != "onednn") {
    throw Napi::TypeError::New(info.Env(), "rivalGemmRate: kernel must be aten or onednn");
  }
  const auto device = info[4].IsString() ? info[4].ToString().Utf8Value() : std::string("cpu");
  const bool tf32 = info[5].ToBoolean();
  return Environment::of(info.Env())
      .submit(
          info.Env(), make_cancel_flag(),
          [=](Workers& workers) -> double {
            const auto& [shape, precision, repeats] = measured;
            if (device != "cpu") {
              return kernel == "aten" ? device_rate(Device(device, 0), shape, precision, tf32, repeats) : 0;
            }
            const c10::InferenceMode inference_mode;
            set_torch_threads(workers.count());
            return kernel == "aten" ? aten_rate(shape, precision, repeats) : onednn_rate(shape, precision, repeats);
          },
          [](Napi::Env env, double& rate) -> Napi::Value { return Napi::Number::New(env, rate); });
}

}  // namespace rank_distillm
