#pragma once

#include <stdexcept>
#include <string>

namespace rank_distillm {

/// An error with one of the codes of src/errors.ts; `api/` turns it into a JavaScript error with that code.
class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

inline Error bad_input(const std::string& message) { return Error("bad_input", message); }

}  // namespace rank_distillm
