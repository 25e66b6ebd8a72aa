# Cross-compiles with zig's clang. RD_ZIG: its program; RD_TARGET, RD_CPU: see platforms.mjs.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES RD_ZIG RD_TARGET RD_CPU)
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "${RD_TARGET}")
set(CMAKE_CXX_COMPILER ${RD_ZIG} c++)
set(CMAKE_CXX_FLAGS_INIT "-target ${RD_TARGET} -mcpu=${RD_CPU}")
set(CMAKE_SHARED_LINKER_FLAGS_INIT "-s") # without symbols
