#pragma once

#include <array>
#include <cstdint>
#include <string>

/// The encoder's tensors as src/models/families names them, whatever a file calls them; `.weight` and `.bias` are
/// appended to a name without an ending. A head's names come with HeadConfig.
namespace rank_distillm::tensor_names {

inline const std::string words = "embeddings.word_embeddings.weight";
inline const std::string positions = "embeddings.position_embeddings.weight";
inline const std::string types = "embeddings.token_type_embeddings.weight";
inline const std::string embedding_norm = "embeddings.LayerNorm";
inline const std::string embedding_projection = "embeddings_project";

/// The inputs of a layer's attention, in the order in which they are concatenated.
inline const std::array<std::string, 3> attention_inputs = {".attention.self.query", ".attention.self.key",
                                                            ".attention.self.value"};

struct Layer {
  explicit Layer(int64_t index) : prefix("encoder.layer." + std::to_string(index)) {}

  std::string prefix;
  std::string query = prefix + attention_inputs[0];
  std::string key = prefix + attention_inputs[1];
  std::string value = prefix + attention_inputs[2];
  std::string attention_output = prefix + ".attention.output.dense";
  std::string attention_norm = prefix + ".attention.output.LayerNorm";
  std::string up = prefix + ".intermediate.dense";
  std::string down = prefix + ".output.dense";
  std::string output_norm = prefix + ".output.LayerNorm";
};

}  // namespace rank_distillm::tensor_names
