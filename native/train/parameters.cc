#include "train/parameters.h"

#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/accumulate.h>

#include <algorithm>

#include "core/error.h"
#include "model/tensor_names.h"

namespace rank_distillm {
namespace {

/// A cache line of float32.
constexpr int64_t alignment = 16;

/// Makes queries, keys and values of a layer contiguous, weights before biases, so that the three are one matrix.
std::string fused_order(const std::string& name) {
  int rank = 0;
  for (const auto* part : {".weight", ".bias"}) {
    for (const auto& input : tensor_names::attention_inputs) {
      const auto suffix = input + part;
      if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size()) + "#" + std::to_string(rank);
      ++rank;
    }
  }
  return "";
}

/// The order of the arrays: as given, except that each layer's attention inputs follow the first of them.
std::vector<TensorSource> ordered(std::vector<TensorSource> sources) {
  std::vector<TensorSource> result;
  std::vector<bool> taken(sources.size(), false);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (taken[i]) continue;
    const auto key = fused_order(sources[i].name);
    if (key.empty()) {
      result.push_back(std::move(sources[i]));
      continue;
    }
    const auto group = key.substr(0, key.size() - 1);
    std::vector<std::pair<std::string, size_t>> members;
    for (size_t j = i; j < sources.size(); ++j) {
      const auto other = taken[j] ? std::string() : fused_order(sources[j].name);
      if (!other.empty() && other.substr(0, other.size() - 1) == group) members.emplace_back(other, j);
    }
    std::sort(members.begin(), members.end());
    for (const auto& [order, j] : members) {
      taken[j] = true;
      result.push_back(std::move(sources[j]));
    }
  }
  return result;
}

/// True for a tensor that must follow the one before it without padding.
bool joins_previous(const std::string& name) {
  const auto key = fused_order(name);
  return !key.empty() && key.back() != '0' && key.back() != '3';
}

}  // namespace

Parameters::Parameters(std::vector<TensorSource> sources, at::Device device, bool trained) {
  sources = ordered(std::move(sources));
  int64_t size = 0;
  for (const auto& source : sources) {
    if (!joins_previous(source.name)) size = (size + alignment - 1) / alignment * alignment;
    index_[source.name] = places_.size();
    places_.push_back({source.name, source.shape, size});
    size += c10::multiply_integers(source.shape);
  }
  values_ = at::zeros({size}, at::TensorOptions().dtype(at::kFloat).device(device));
  Weights weights(std::move(sources));
  for (const auto& place : places_) {
    const auto to = value(place.name, place.shape);
    if (device.is_cpu()) {
      weights.copy(place.name, place.shape, to.mutable_data_ptr<float>());
    } else {
      to.copy_(weights.take(place.name, place.shape));
    }
  }
  weights.check_unchanged();
  if (!trained) return;
  gradients_ = at::zeros_like(values_);
  first_moments_ = at::zeros_like(values_);
  second_moments_ = at::zeros_like(values_);
}

const ParameterPlace& Parameters::place(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw bad_input("tensor " + name + " is missing");
  return places_[found->second];
}

at::Tensor Parameters::view(const at::Tensor& flat, const std::vector<std::string>& names, const std::string& suffix,
                            std::vector<int64_t> shape) const {
  if (!flat.defined()) return {};
  const auto first = place(names.front() + suffix).offset;
  const auto each = c10::multiply_integers(shape);
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& part = place(names[i] + suffix);
    if (part.shape != shape) throw bad_input("tensor " + part.name + " has another shape than the model needs");
    if (part.offset != first + static_cast<int64_t>(i) * each) {
      throw Error("native", "tensor " + part.name + " does not lie beside its neighbour");
    }
  }
  shape.front() *= static_cast<int64_t>(names.size());
  return flat.narrow(0, first, each * static_cast<int64_t>(names.size())).view(shape);
}

at::Tensor Parameters::value(const std::string& name, at::IntArrayRef shape) const {
  return view(values_, {name}, "", shape.vec());
}

at::Tensor Parameters::gradient(const std::string& name, at::IntArrayRef shape) const {
  return view(gradients_, {name}, "", shape.vec());
}

TrainableLinear Parameters::linear(const std::vector<std::string>& names, int64_t out, int64_t in,
                                   bool has_bias) const {
  TrainableLinear layer{
      view(values_, names, ".weight", {out, in}), {}, view(gradients_, names, ".weight", {out, in}), {}};
  if (has_bias) {
    layer.bias = view(values_, names, ".bias", {out});
    layer.bias_gradient = view(gradients_, names, ".bias", {out});
  }
  return layer;
}

int64_t Parameters::bytes() const { return static_cast<int64_t>(values_.nbytes()) * (gradients_.defined() ? 4 : 1); }

}  // namespace rank_distillm
