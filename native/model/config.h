#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernels.h"
#include "ops/pooling.h"

namespace rank_distillm {

/// An encoder of the BERT family. They differ in few things: ELECTRA's embeddings may be narrower than its layers,
/// RoBERTa counts positions from a later row and DistilBERT has no token types.
struct EncoderConfig {
  int64_t vocab_size = 0;
  int64_t embedding_size = 0;
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t intermediate_size = 0;
  int64_t max_positions = 0;    // tokens of a sequence
  int64_t type_vocab_size = 0;  // 0: the model has no token types
  double layer_norm_eps = 1e-12;
  Epilogue activation = Epilogue::gelu;  // transformers' ACT2FN: "gelu_new" and "gelu_pytorch_tanh" are gelu_tanh
  int64_t first_position = 0;            // row of the position table that a sequence's first token takes

  /// RoBERTa's padding token, whose position is the row of the same number, and which counts for no other token's; -1:
  /// every token has a position.
  int64_t unplaced_token() const { return first_position - 1; }
};

enum class HeadActivation : uint8_t { tanh, gelu, relu };

/// Pooling, a dense layer [hidden, hidden] where there is one, and an output layer [labels, hidden].
struct HeadConfig {
  Pooling pooling = Pooling::first;
  std::string dense;                                 // name of its tensors; empty: there is no dense layer
  HeadActivation activation = HeadActivation::tanh;  // of the dense layer
  std::string output;                                // name of its tensors
  bool bias = false;                                 // of the output layer
  int64_t labels = 1;
  int64_t label = 0;         // the one that scores
  bool log_softmax = false;  // the score is its log-probability, not its logit
};

/// What only a device (cuda/device.h) asks for.
struct DeviceOptions {
  std::string name = "cpu";
  bool tf32 = false;             // float32 products on tensor cores, with 10 bits of mantissa
  bool bfloat16_stream = false;  // with bfloat16 products: the residual stream, too (bf16-true)
  double memory_fraction = 0;    // share of the GPU's memory that this process may take; 0: all that is free
  int64_t block_tokens = 0;      // that go through the model together at most; 0: what is fast and fits
  bool timed = false;            // measures time by kind of operation, which costs some

  bool is_cpu() const { return name == "cpu"; }
};

struct ModelOptions {
  EncoderConfig encoder;
  HeadConfig head;
  ElementType precision = ElementType::float32;  // asked for; see ScoringModel::precision
  DeviceOptions device;
};

/// The slope of an activation, for its backward.
Epilogue slope_of(Epilogue activation);

/// What the linear layers multiply, of what was asked for. bf16 needs instructions for it, and pairs of inputs; bytes
/// need instructions, too. int16 takes the place of both: it rounds less, and no level needs more instructions for it
/// than for float32.
ElementType scoring_precision(const EncoderConfig& encoder, ElementType asked);

/// Gradients are no integers: float32 takes bf16's place.
ElementType training_precision(const EncoderConfig& encoder, ElementType asked);

}  // namespace rank_distillm
