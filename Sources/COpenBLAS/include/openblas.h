#ifndef U2PL_OPENBLAS_H
#define U2PL_OPENBLAS_H

/// Loads OpenBLAS with kernels for this CPU, once. The library picks its kernels when it is loaded, and 0.3.21 takes
/// CPUs newer than itself for a Prescott (SSE3, five times slower), so OPENBLAS_CORETYPE is set first, from the CPU's
/// own flags, unless the user has set it. That is why the library is opened here and not linked.
/// Returns NULL, or what went wrong.
const char *u2pl_blas_load(void);

/// The kernels OpenBLAS chose, such as "SkylakeX"; "" before u2pl_blas_load.
const char *u2pl_blas_core(void);

/// What the library says of itself, such as "OpenBLAS 0.3.21 DYNAMIC_ARCH …"; "" where it says nothing.
const char *u2pl_blas_config(void);

/// Calls of one thread each; the caller spreads them over its own threads. Row-major.
/// C[m,n] = alpha * op(A) * op(B) + beta * C
void u2pl_sgemm(int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                const float *b, int ldb, float beta, float *c, int ldc);
/// y = alpha * op(A[m,n]) * x + beta * y
void u2pl_sgemv(int transpose, int m, int n, float alpha, const float *a, int lda, const float *x, float beta, float *y);

#endif
