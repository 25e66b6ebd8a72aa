#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/kernels.h"
#include "ops/pooling.h"

namespace rank_distillm {

/// An encoder of the BERT family. The members differ little: ELECTRA's embeddings may be narrower than its layers,
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

  /// RoBERTa's padding token: its position is the row of the same number, and it does not advance the positions of
  /// other tokens; -1: every token has a position.
  int64_t unplaced_token() const { return first_position - 1; }
};

enum class HeadActivation : uint8_t { tanh, gelu, relu };

/// Pooling, an optional dense layer [hidden, hidden], and an output layer [labels, hidden].
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

/// Options of devices only (cuda/device.h).
struct DeviceOptions {
  std::string name = "cpu";
  bool tf32 = false;             // float32 products on tensor cores, with 10 bits of mantissa
  bool bfloat16_stream = false;  // with bfloat16 products: also the residual stream (bf16-true)
  double memory_fraction = 0;    // largest share of the GPU's memory that this process may use; 0: all that is free
  int64_t block_tokens = 0;      // largest number of tokens of a block; 0: as many as are fast and fit
  bool timed = false;            // measures time by kind of operation, at some cost

  bool is_cpu() const { return name == "cpu"; }
};

/// What a CPU computes in. Which combination is fast is measured, see src/engine/arithmetic.ts.
struct Arithmetic {
  ElementType products = ElementType::float32;   // of the linear layers over all tokens
  ElementType attention = ElementType::float32;  // queries, keys, values and their products: float32 or bfloat16
  ElementType between = ElementType::float32;    // the activation's output: float32 or bfloat16
  bool tiles = true;                             // bf16 and int8 products on tiles where there are some
};

/// What is asked for; empty: as the CPU's instructions suggest.
struct ArithmeticOptions {
  std::optional<ElementType> attention, between;
  bool tiles = true;
};

struct ModelOptions {
  EncoderConfig encoder;
  HeadConfig head;
  ElementType precision = ElementType::float32;  // asked for; see ScoringModel::precision
  DeviceOptions device;
  ArithmeticOptions arithmetic;  // scoring on a CPU only
};

/// The epilogue that multiplies by an activation's derivative, for its backward.
Epilogue derivative_epilogue(Epilogue activation);

/// What a model scores in, from the requested precision. bf16 needs its instructions and heads of an even size; int8
/// needs its instructions. Without them int16 replaces both: it rounds less, and every instruction set that has float32
/// has it. Unless asked for otherwise, what is around bytes is bf16 where the CPU has it, and around int16, which is
/// finer than bf16, float32.
Arithmetic scoring_arithmetic(const ModelOptions& options);

/// For training: gradients cannot be integers, so float32 replaces bf16 on CPUs without it.
ElementType training_precision(const EncoderConfig& encoder, ElementType asked);

}  // namespace rank_distillm
