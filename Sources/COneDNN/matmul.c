#include "descriptors.h"

#include <stdlib.h>

struct u2pl_matmul {
  dnnl_primitive_t primitive;
  dnnl_memory_t a, b, c;
};

u2pl_matmul *u2pl_matmul_create(const u2pl_matmul_shape *s) {
  if (u2pl_engine_start()) return NULL;
  u2pl_matmul *matmul = calloc(1, sizeof *matmul);
  if (!matmul) return NULL;
  const char *what = "describing a matrix product";
  u2pl_md a = NULL, b = NULL, c = NULL;
  dnnl_primitive_desc_t pd = NULL;
  dnnl_dims_t a_dims = {s->batch, s->m, s->k}, b_dims = {s->batch, s->k, s->n}, c_dims = {s->batch, s->m, s->n},
              a_strides = {s->a_stride, s->transposed ? 1 : s->a_row, s->transposed ? s->a_row : 1},
              b_strides = {s->b_stride, s->n, 1}, c_strides = {s->c_stride, s->n, 1};
  if (u2pl_failed(u2pl_md_by_strides(&a, 3, a_dims, a_strides), what) ||
      u2pl_failed(u2pl_md_by_strides(&b, 3, b_dims, b_strides), what) ||
      u2pl_failed(u2pl_md_by_strides(&c, 3, c_dims, c_strides), what) ||
      u2pl_failed(u2pl_matmul_describe(&pd, a, b, c), what) ||
      u2pl_failed(dnnl_primitive_create(&matmul->primitive, pd), "dnnl_primitive_create") ||
      u2pl_failed(dnnl_memory_create(&matmul->a, a, u2pl_engine, DNNL_MEMORY_NONE), "dnnl_memory_create") ||
      u2pl_failed(dnnl_memory_create(&matmul->b, b, u2pl_engine, DNNL_MEMORY_NONE), "dnnl_memory_create") ||
      u2pl_failed(dnnl_memory_create(&matmul->c, c, u2pl_engine, DNNL_MEMORY_NONE), "dnnl_memory_create")) {
    u2pl_matmul_destroy(matmul);
    matmul = NULL;
  }
  if (pd) dnnl_primitive_desc_destroy(pd);
  u2pl_md_destroy(a);
  u2pl_md_destroy(b);
  u2pl_md_destroy(c);
  return matmul;
}

void u2pl_matmul_destroy(u2pl_matmul *matmul) {
  if (matmul->primitive) dnnl_primitive_destroy(matmul->primitive);
  if (matmul->a) dnnl_memory_destroy(matmul->a);
  if (matmul->b) dnnl_memory_destroy(matmul->b);
  if (matmul->c) dnnl_memory_destroy(matmul->c);
  free(matmul);
}

int u2pl_matmul_execute(u2pl_matmul *matmul, const float *a, const float *b, float *c) {
  const char *what = "matrix product";
  if (u2pl_failed(dnnl_memory_set_data_handle(matmul->a, (void *)a), what) ||
      u2pl_failed(dnnl_memory_set_data_handle(matmul->b, (void *)b), what) ||
      u2pl_failed(dnnl_memory_set_data_handle(matmul->c, c), what))
    return 1;
  dnnl_exec_arg_t args[] = {{DNNL_ARG_SRC, matmul->a}, {DNNL_ARG_WEIGHTS, matmul->b}, {DNNL_ARG_DST, matmul->c}};
  return u2pl_failed(dnnl_primitive_execute(matmul->primitive, u2pl_stream, 3, args), what) ||
         u2pl_failed(dnnl_stream_wait(u2pl_stream), what);
}
