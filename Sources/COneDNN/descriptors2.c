#include "descriptors.h"

#if DNNL_VERSION_MAJOR == 2

#include <stdlib.h>
#include <string.h>

dnnl_status_t u2pl_md_by_tag(u2pl_md *md, int dimensions, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  if (!(*md = calloc(1, sizeof **md))) return dnnl_out_of_memory;
  return dnnl_memory_desc_init_by_tag(*md, dimensions, dims, dnnl_f32, tag);
}

dnnl_status_t u2pl_md_by_strides(u2pl_md *md, int dimensions, const dnnl_dims_t dims, const dnnl_dims_t strides) {
  if (!(*md = calloc(1, sizeof **md))) return dnnl_out_of_memory;
  return dnnl_memory_desc_init_by_strides(*md, dimensions, dims, dnnl_f32, strides);
}

dnnl_status_t u2pl_md_copy(u2pl_md *copy, u2pl_const_md md) {
  if (!md) return dnnl_invalid_arguments;
  if (!(*copy = malloc(sizeof **copy))) return dnnl_out_of_memory;
  **copy = *md;
  return dnnl_success;
}

void u2pl_md_destroy(u2pl_md md) { free(md); }

void u2pl_md_blocking(u2pl_const_md md, int64_t words[14]) {
  const dnnl_blocking_desc_t *b = &md->format_desc.blocking;
  memset(words, 0, 14 * sizeof *words);
  for (int i = 0; i < 4; i++) words[i] = b->strides[i];
  words[4] = b->inner_nblks;
  words[5] = md->format_kind;
  for (int i = 0; i < b->inner_nblks && i < 4; i++) {
    words[6 + 2 * i] = b->inner_blks[i];
    words[7 + 2 * i] = b->inner_idxs[i];
  }
}

dnnl_status_t u2pl_conv_describe(
    dnnl_primitive_desc_t *pd, u2pl_conv_kind kind, const u2pl_conv_parts *p, dnnl_primitive_desc_t forward) {
  dnnl_convolution_desc_t description;
  dnnl_status_t status;
  switch (kind) {
    case u2pl_conv_backward_data:
      status = dnnl_dilated_convolution_backward_data_desc_init(
          &description, dnnl_convolution_direct, p->src, p->weights, p->dst, p->strides, p->dilates, p->pads, p->pads);
      break;
    case u2pl_conv_backward_weights:
      status = dnnl_dilated_convolution_backward_weights_desc_init(
          &description, dnnl_convolution_direct, p->src, p->weights, NULL, p->dst, p->strides, p->dilates, p->pads,
          p->pads);
      break;
    default:
      status = dnnl_dilated_convolution_forward_desc_init(
          &description, dnnl_forward_training, dnnl_convolution_direct, p->src, p->weights, p->bias, p->dst, p->strides,
          p->dilates, p->pads, p->pads);
  }
  return status != dnnl_success ? status : dnnl_primitive_desc_create(pd, &description, NULL, u2pl_engine, forward);
}

dnnl_status_t u2pl_matmul_describe(dnnl_primitive_desc_t *pd, u2pl_const_md a, u2pl_const_md b, u2pl_const_md c) {
  dnnl_matmul_desc_t description;
  dnnl_status_t status = dnnl_matmul_desc_init(&description, a, b, NULL, c);
  return status != dnnl_success ? status : dnnl_primitive_desc_create(pd, &description, NULL, u2pl_engine, NULL);
}

#endif
