#pragma once

#include <stdexcept>
#include <string>

namespace rank_distillm {

/// An error with one of the codes of src/errors.ts; `api/` turns it into a JavaScript error with that code.
class Error : public std::runtime_error {
 public:
  /// `code` is a literal, so that copying an error cannot throw.
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}
  const char* code() const { return code_; }

 private:
  const char* code_;
};

inline Error bad_input(const std::string& message) { return Error("bad_input", message); }

}  // namespace rank_distillm
