#!/bin/sh
# A launcher for CMake, in front of g++'s link command: links with zig instead, against an old glibc and g++'s C++ library.
# usage: oldest-linker.sh ZIG TARGET g++ OPTION ...
zig=$1 target=$2 compiler=$3
shift 3
cxx=$("$compiler" -print-file-name=libstdc++.so)
unwinder=$("$compiler" -print-file-name=libgcc_s.so.1)
exec "$zig" cc -target "$target" "$@" "$cxx" "$unwinder"
