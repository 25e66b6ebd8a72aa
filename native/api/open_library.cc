#include "api/open_library.h"

#include <dlfcn.h>

namespace rank_distillm {

/// process.dlopen closes a library that is no addon. This one stays open for as long as the process runs, and so do the
/// libraries it needs. Its symbols stay its own: another addon may bring a library of the same name.
Napi::Value open_library(const Napi::CallbackInfo& info) {
  const auto path = info[0].As<Napi::String>().Utf8Value();
  if (dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr) return info.Env().Undefined();
  const char* reason = dlerror();
  throw Napi::Error::New(info.Env(), reason == nullptr ? path : reason);
}

}  // namespace rank_distillm
