// Shared by the tests of ops: leaves of autograd's graph, dropout masks as tensors, comparisons and their report.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "model/weights.h"
#include "ops/dropout.h"

namespace rank_distillm {

/// Relative to the largest value: float32 sums compared with float64 ones.
constexpr double tolerance = 1e-5;

inline int failures = 0;

inline at::Tensor leaf(const at::Tensor& values) { return values.to(at::kDouble).clone().set_requires_grad(true); }

inline at::Tensor normal(at::IntArrayRef shape) { return at::randn(shape); }

/// The largest difference relative to the largest expected value.
inline double difference(const at::Tensor& found, const at::Tensor& expected) {
  if (found.numel() == 0) return 0;
  const auto scale = std::max(expected.abs().max().item<double>(), 1e-3);
  return (found.to(at::kDouble) - expected).abs().max().item<double>() / scale;
}

struct Comparison {
  const char* what;
  at::Tensor found;
  at::Tensor expected;
};

inline void report(const std::string& name, const std::vector<Comparison>& comparisons) {
  std::ostringstream detail;
  bool good = true;
  for (const auto& [what, found, expected] : comparisons) {
    const double off = difference(found, expected);
    if (off <= tolerance) continue;  // NaN is not
    good = false;
    detail << what << " is off by " << off << " of the largest value; ";
  }
  if (!good) ++failures;
  std::cout << R"({"name": ")" << name << R"(", "ok": )" << (good ? "true" : "false") << R"(, "detail": ")"
            << detail.str() << "\"}" << std::endl;
}

/// Runs `body` in inference mode, as the engine does.
template <typename Body>
void engine(const Body& body) {
  const c10::InferenceMode inference_mode;
  body();
}

/// Copies a result of the engine for use outside inference mode.
inline at::Tensor out(const at::Tensor& tensor) { return tensor.clone(); }

inline Dropout dropout_of(double rate, DropoutSite site) { return {rate, 7, 3, 2, site}; }

inline std::vector<RowId> row_ids(int64_t rows) {
  std::vector<RowId> ids;
  for (int64_t i = 0; i < rows; ++i) ids.push_back({static_cast<uint32_t>(i / 5), static_cast<uint32_t>(i % 5)});
  return ids;
}

inline at::Tensor mask_of(const Dropout& dropout, const std::vector<RowId>& ids, int64_t columns, uint32_t head = 0) {
  const auto mask = at::ones({static_cast<int64_t>(ids.size()), columns});
  for (size_t i = 0; dropout.active() && i < ids.size(); ++i) {
    auto row = dropout.mask(ids[i]);
    row.site += head << 18;
    kernels().dropout({row, columns, mask.data_ptr<float>() + static_cast<int64_t>(i) * columns});
  }
  return mask.to(at::kDouble);
}

inline std::string title(const char* op, const std::vector<std::pair<const char*, double>>& values) {
  std::ostringstream text;
  text << op;
  for (const auto& [name, value] : values) text << ", " << name << " " << value;
  return text.str();
}

/// Numbers of the engine, as LibTorch's tensor over the same memory.
inline at::Tensor view(const Tensor& tensor) { return at::from_blob(tensor.data(), tensor.shape(), at::kFloat); }
inline at::Tensor view(const at::Tensor& tensor) { return tensor; }

inline TensorSource source(const std::string& name, const at::Tensor& values) {
  TensorSource result;
  result.name = name;
  result.shape = values.sizes().vec();
  const auto* start = static_cast<const std::byte*>(values.const_data_ptr());
  result.bytes.assign(start, start + values.nbytes());
  return result;
}

}  // namespace rank_distillm
