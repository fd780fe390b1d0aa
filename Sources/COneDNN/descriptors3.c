#include "descriptors.h"

#if DNNL_VERSION_MAJOR == 3

#include <string.h>

dnnl_status_t u2pl_md_by_tag(u2pl_md *md, int dimensions, const dnnl_dims_t dims, dnnl_format_tag_t tag) {
  return dnnl_memory_desc_create_with_tag(md, dimensions, dims, dnnl_f32, tag);
}

dnnl_status_t u2pl_md_by_strides(u2pl_md *md, int dimensions, const dnnl_dims_t dims, const dnnl_dims_t strides) {
  return dnnl_memory_desc_create_with_strides(md, dimensions, dims, dnnl_f32, strides);
}

dnnl_status_t u2pl_md_copy(u2pl_md *copy, u2pl_const_md md) {
  return md ? dnnl_memory_desc_clone(copy, md) : dnnl_invalid_arguments;
}

void u2pl_md_destroy(u2pl_md md) {
  if (md) dnnl_memory_desc_destroy(md);
}

void u2pl_md_blocking(u2pl_const_md md, int64_t words[14]) {
  const dnnl_dims_t *strides = NULL, *sizes = NULL, *dimensions = NULL;
  int blocks = 0;
  dnnl_format_kind_t kind = dnnl_format_kind_undef;
  memset(words, 0, 14 * sizeof *words);
  dnnl_memory_desc_query(md, dnnl_query_format_kind, &kind);
  words[5] = kind;
  // A format that is not blocked has none of these.
  if (dnnl_memory_desc_query(md, dnnl_query_strides, &strides) != dnnl_success || !strides) return;
  for (int i = 0; i < 4; i++) words[i] = (*strides)[i];
  if (dnnl_memory_desc_query(md, dnnl_query_inner_nblks_s32, &blocks) != dnnl_success ||
      dnnl_memory_desc_query(md, dnnl_query_inner_blks, &sizes) != dnnl_success ||
      dnnl_memory_desc_query(md, dnnl_query_inner_idxs, &dimensions) != dnnl_success)
    return;
  words[4] = blocks;
  for (int i = 0; i < blocks && i < 4; i++) {
    words[6 + 2 * i] = (*sizes)[i];
    words[7 + 2 * i] = (*dimensions)[i];
  }
}

/// Asks for sums in the same order in every run, where oneDNN has such a setting (3.4 and later).
static dnnl_status_t reproducible(dnnl_primitive_attr_t *attributes) {
  dnnl_status_t status = dnnl_primitive_attr_create(attributes);
#if DNNL_VERSION_MINOR >= 4
  if (status == dnnl_success) status = dnnl_primitive_attr_set_deterministic(*attributes, 1);
#endif
  return status;
}

dnnl_status_t u2pl_conv_describe(
    dnnl_primitive_desc_t *pd, u2pl_conv_kind kind, const u2pl_conv_parts *p, dnnl_primitive_desc_t forward) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_status_t status = reproducible(&attributes);
  if (status == dnnl_success) {
    switch (kind) {
      case u2pl_conv_backward_data:
        status = dnnl_convolution_backward_data_primitive_desc_create(
            pd, u2pl_engine, dnnl_convolution_direct, p->src, p->weights, p->dst, p->strides, p->dilates, p->pads, p->pads,
            forward, attributes);
        break;
      case u2pl_conv_backward_weights:
        status = dnnl_convolution_backward_weights_primitive_desc_create(
            pd, u2pl_engine, dnnl_convolution_direct, p->src, p->weights, NULL, p->dst, p->strides, p->dilates, p->pads,
            p->pads, forward, attributes);
        break;
      default:
        status = dnnl_convolution_forward_primitive_desc_create(
            pd, u2pl_engine, dnnl_forward_training, dnnl_convolution_direct, p->src, p->weights, p->bias, p->dst,
            p->strides, p->dilates, p->pads, p->pads, attributes);
    }
  }
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

dnnl_status_t u2pl_matmul_describe(dnnl_primitive_desc_t *pd, u2pl_const_md a, u2pl_const_md b, u2pl_const_md c) {
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_status_t status = reproducible(&attributes);
  if (status == dnnl_success) {
    status = dnnl_matmul_primitive_desc_create(pd, u2pl_engine, a, b, NULL, c, attributes);
  }
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

#endif
