#pragma once

#include <stdexcept>
#include <string>

namespace rank_distillm {

/// An error with a code of src/errors.ts; `api/` converts it to a JavaScript error with that code.
class Error : public std::runtime_error {
 public:
  /// `code` and `hint` are literals, so that copying an error cannot throw. `hint` replaces the default hint of errors
  /// with this code.
  Error(const char* code, const std::string& message, const char* hint = nullptr)
      : std::runtime_error(message), code_(code), hint_(hint) {}
  const char* code() const { return code_; }
  const char* hint() const { return hint_; }

 private:
  const char* code_;
  const char* hint_;
};

inline Error bad_input(const std::string& message) { return Error("bad_input", message); }

}  // namespace rank_distillm
