#include "train/parameters.h"

#include <algorithm>

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
std::vector<const TensorSource*> ordered(const std::vector<TensorSource>& sources) {
  std::vector<const TensorSource*> result;
  std::vector<bool> taken(sources.size(), false);
  for (size_t i = 0; i < sources.size(); ++i) {
    if (taken[i]) continue;
    const auto key = fused_order(sources[i].name);
    if (key.empty()) {
      result.push_back(&sources[i]);
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
      result.push_back(&sources[j]);
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

ParameterLayout::ParameterLayout(const std::vector<TensorSource>& sources) {
  for (const auto* source : ordered(sources)) {
    if (!joins_previous(source->name)) size_ = (size_ + alignment - 1) / alignment * alignment;
    index_[source->name] = places_.size();
    places_.push_back({source->name, source->shape, size_});
    size_ += count_of(source->shape);
  }
}

const ParameterPlace& ParameterLayout::place(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw bad_input("tensor " + name + " is missing");
  return places_[found->second];
}

ParameterPlace ParameterLayout::range(const std::vector<std::string>& names, const std::string& suffix,
                                      const Shape& shape) const {
  auto all = place(names.front() + suffix);
  const int64_t each = count_of(shape);
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& part = place(names[i] + suffix);
    if (part.shape != shape) throw bad_input("tensor " + part.name + " has another shape than the model needs");
    if (part.offset != all.offset + static_cast<int64_t>(i) * each) {
      throw Error("native", "tensor " + part.name + " does not lie beside its neighbour");
    }
  }
  all.shape.front() *= static_cast<int64_t>(names.size());
  return all;
}

Tensor flat_values(const ParameterLayout& layout, std::vector<TensorSource> sources, ParallelLoop parallel) {
  Tensor values({layout.size()}, Pages::huge);
  Weights weights(std::move(sources), std::move(parallel));
  for (const auto& place : layout.places()) weights.copy(place.name, place.shape, values.data() + place.offset);
  weights.check_unchanged();
  return values;
}

Parameters make_parameters(std::vector<TensorSource> sources, ParallelLoop parallel) {
  ParameterLayout layout(sources);
  auto values = flat_values(layout, std::move(sources), std::move(parallel));
  const auto zeros = [&] { return Tensor(values.shape(), Pages::huge); };
  return {std::move(layout), {values, zeros(), zeros(), zeros()}};
}

}  // namespace rank_distillm
