#!/bin/sh
# A launcher for CMake, in front of zig's command: compiles the kernels with g++ instead. Those of clang 22 took longer than those
# of g++ 12: for 16-bit integers 15 % (AVX2) and 14 % (AVX-512), for float32 5 % (AVX2). They call nothing of a library but
# memcpy and memset, so it does not matter to them which C library and which compiler the rest is made with.
# usage: kernel-compiler.sh G++ ZIG'S-CPU-OPTION G++'S-CPU-OPTION zig c++ OPTION ...
compiler=$1 theirs=$2 ours=$3
shift 5
left=$# skip=
while [ "$left" -gt 0 ]; do
  option=$1
  shift
  left=$((left - 1))
  if [ -n "$skip" ]; then
    skip=
    continue
  fi
  case $option in
    -target) skip=1 ;;
    "$theirs") set -- "$@" "$ours" ;;
    *) set -- "$@" "$option" ;;
  esac
done
exec "$compiler" "$@"
