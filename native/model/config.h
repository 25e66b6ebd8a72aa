#pragma once

#include <cstdint>

#include "core/precision.h"
#include "ops/activation.h"
#include "ops/pooling.h"

namespace rank_distillm {

/// A BERT encoder; ELECTRA is the same with embedding_size possibly smaller than hidden_size.
struct EncoderConfig {
  int64_t vocab_size;
  int64_t embedding_size;
  int64_t hidden_size;
  int64_t layers;
  int64_t heads;
  int64_t intermediate_size;
  int64_t max_positions;
  int64_t type_vocab_size;
  double layer_norm_eps;
  Activation activation;
};

enum class HeadKind { mono, electra_classification, bert_classification };

struct HeadConfig {
  HeadKind kind;
  Pooling pooling = Pooling::first;
  bool bert_pool = false;      // mono: dense and tanh between pooling and linear
  bool bias = false;           // mono
  bool log_softmax = false;    // mono with scoring strategy mono: two labels, log_softmax[1]
  int64_t labels = 1;          // classification
  int64_t label = 0;           // classification: the row that scores
};

struct ModelOptions {
  EncoderConfig encoder;
  HeadConfig head;
  Precision precision;  // asked for; see CrossEncoder::precision
};

}  // namespace rank_distillm
