#include "api/file_lock.h"

#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "api/js_values.h"

namespace rank_distillm {

/// flock and not fcntl: the lock belongs to the open file, so that closing another handle on the same file keeps it.
Napi::Value lock_file(const Napi::CallbackInfo& info) {
  const auto fd = static_cast<int>(read_integer(info[0], "fd"));
  int result = 0;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  throw Napi::Error::New(info.Env(), std::generic_category().message(errno));
}

}  // namespace rank_distillm
