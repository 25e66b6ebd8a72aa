#pragma once

// The numbers kernels read and write: float32, and bfloat16 as bits, so that the same code compiles for the CPU.

#include <cmath>
#include <cstring>

#include "cuda/kernels/kernels.h"
#include "cuda/kernels/launch.cuh"

namespace rank_distillm::cuda {

struct Bf16 {
  uint16_t bits;
};

RD_DEVICE float as_float(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
#endif
}

RD_DEVICE float to_float(float value) { return value; }
RD_DEVICE float to_float(Bf16 value) { return as_float(static_cast<uint32_t>(value.bits) << 16); }

/// Two numbers as bfloat16, the first in the low half, rounded to nearest even.
RD_DEVICE uint32_t pack(float low, float high) {
#if defined(__CUDA_ARCH__)
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  const auto round = [](float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    if (value != value) return uint32_t{0x7fff};
    return (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  };
  return round(low) | round(high) << 16;
#endif
}

template <typename T>
RD_DEVICE T from_float(float value) {
  if constexpr (sizeof(T) == 2) {
    return {static_cast<uint16_t>(pack(value, 0.0F))};
  } else {
    return value;
  }
}

/// Numbers that a thread reads at once: 16 bytes of bfloat16, twice 16 of float32.
constexpr int vector_size = 8;

struct alignas(16) Words {
  uint32_t word[4];
};

/// `vector`: the address is a multiple of 16 bytes and all eight numbers are there; else the first `count` are read,
/// the others are 0.
template <bool vector>
RD_DEVICE void load(const Bf16* from, int count, float (&values)[vector_size]) {
  if constexpr (vector) {
    const Words words = *reinterpret_cast<const Words*>(from);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      values[2 * i] = as_float(words.word[i] << 16);
      values[2 * i + 1] = as_float(words.word[i] & 0xffff0000U);
    }
  } else {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[i] = i < count ? to_float(from[i]) : 0.0F;
  }
}

template <bool vector>
RD_DEVICE void load(const float* from, int count, float (&values)[vector_size]) {
  if constexpr (vector) {
    const Words words[2] = {reinterpret_cast<const Words*>(from)[0], reinterpret_cast<const Words*>(from)[1]};
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[i] = as_float(words[i / 4].word[i % 4]);
  } else {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) values[i] = i < count ? from[i] : 0.0F;
  }
}

RD_DEVICE uint32_t as_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
#endif
}

template <bool vector>
RD_DEVICE void store(Bf16* to, int count, const float (&values)[vector_size]) {
  if constexpr (vector) {
    Words words;
#pragma unroll
    for (int i = 0; i < 4; ++i) words.word[i] = pack(values[2 * i], values[2 * i + 1]);
    *reinterpret_cast<Words*>(to) = words;
  } else {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) {
      if (i < count) to[i] = from_float<Bf16>(values[i]);
    }
  }
}

template <bool vector>
RD_DEVICE void store(float* to, int count, const float (&values)[vector_size]) {
  if constexpr (vector) {
    Words words[2];
#pragma unroll
    for (int i = 0; i < vector_size; ++i) words[i / 4].word[i % 4] = as_bits(values[i]);
    reinterpret_cast<Words*>(to)[0] = words[0];
    reinterpret_cast<Words*>(to)[1] = words[1];
  } else {
#pragma unroll
    for (int i = 0; i < vector_size; ++i) {
      if (i < count) to[i] = values[i];
    }
  }
}

/// True if rows of that many numbers, and of that stride, can be read by vectors from all of these addresses.
template <typename... Pointers>
bool reads_vectors(int64_t columns, int64_t stride, Pointers... pointers) {
  const bool aligned = ((reinterpret_cast<uintptr_t>(pointers) % sizeof(Words) == 0) && ...);
  return aligned && columns % vector_size == 0 && stride % vector_size == 0;
}

/// Calls `body` with the C++ type of `type`: body(T()).
template <typename Body>
void with_type(Type type, const Body& body) {
  if (type == Type::bfloat16) {
    body(Bf16());
  } else {
    body(0.0F);
  }
}

}  // namespace rank_distillm::cuda
