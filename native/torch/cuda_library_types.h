#pragma once

// LibTorch's header of ProcessGroupNCCL includes those of CUDA's libraries for the types of their handles. Where the
// toolkit is without them, as on a machine that only compiles, CMakeLists.txt puts this file in the place of each.

using cublasHandle_t = struct cublasContext*;
using cublasLtHandle_t = struct cublasLtContext*;
using cusolverDnHandle_t = struct cusolverDnContext*;
using cusparseHandle_t = struct cusparseContext*;

using cublasStatus_t = int;
using cusolverStatus_t = int;
using cusparseStatus_t = int;
