#include "openblas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };  // cblas.h's values

static void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
static void (*sgemv)(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
static char *(*corename)(void);
static char *(*config)(void);

static const char *core_type(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return NULL;
}

const char *u2pl_blas_load(void) {
  static char problem[512];
  if (sgemm) return NULL;
  const char *core = core_type();
  if (core) setenv("OPENBLAS_CORETYPE", core, 0);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    snprintf(problem, sizeof problem, "OpenBLAS cannot be loaded (%s); install libopenblas-dev", dlerror());
    return problem;
  }
  void (*set_threads)(int);
  *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  *(void **)&corename = dlsym(library, "openblas_get_corename");
  *(void **)&config = dlsym(library, "openblas_get_config");
  *(void **)&sgemv = dlsym(library, "cblas_sgemv");
  *(void **)&sgemm = dlsym(library, "cblas_sgemm");
  if (!set_threads || !corename || !sgemv || !sgemm) {
    sgemm = NULL;
    return "libopenblas.so.0 lacks cblas_sgemm, cblas_sgemv or openblas_get_corename; install libopenblas-dev";
  }
  set_threads(1);  // its pthreads would compete with the pool; callers spread their calls themselves
  return NULL;
}

const char *u2pl_blas_core(void) { return corename ? corename() : ""; }

const char *u2pl_blas_config(void) { return config ? config() : ""; }

void u2pl_sgemm(int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                float beta, float *c, int ldc) {
  sgemm(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void u2pl_sgemv(int t, int m, int n, float alpha, const float *a, int lda, const float *x, float beta, float *y) {
  sgemv(ROW_MAJOR, t ? TRANS : NO_TRANS, m, n, alpha, a, lda, x, 1, beta, y, 1);
}
