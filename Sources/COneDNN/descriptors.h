#ifndef U2PL_DESCRIPTORS_H
#define U2PL_DESCRIPTORS_H

// Where the interfaces of oneDNN 2.x and 3.x differ: 2.x has descriptors as structures and describes an operation before
// its primitive, 3.x has opaque descriptors and does both in one call. Implemented by descriptors2.c and descriptors3.c, of
// which one is empty. Functions give oneDNN's status.

#include <stdint.h>

#include "engine.h"
#include "onednn.h"

/// A memory descriptor, by pointer in both versions. Each is destroyed by `u2pl_md_destroy`, which takes NULL too.
#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t u2pl_md;
typedef const_dnnl_memory_desc_t u2pl_const_md;
#else
typedef dnnl_memory_desc_t *u2pl_md;
typedef const dnnl_memory_desc_t *u2pl_const_md;
#endif

dnnl_status_t u2pl_md_by_tag(u2pl_md *md, int dimensions, const dnnl_dims_t dims, dnnl_format_tag_t tag);
dnnl_status_t u2pl_md_by_strides(u2pl_md *md, int dimensions, const dnnl_dims_t dims, const dnnl_dims_t strides);
dnnl_status_t u2pl_md_copy(u2pl_md *copy, u2pl_const_md md);
void u2pl_md_destroy(u2pl_md md);

/// How a descriptor of four dimensions lays out its numbers: four strides, the number of inner blocks, the kind of format,
/// and up to four pairs of an inner block's size and dimension. 0 fills the rest.
void u2pl_md_blocking(u2pl_const_md md, int64_t words[14]);

/// A convolution; `strides`, `dilates` and `pads` are of the two spatial dimensions.
typedef struct {
  u2pl_const_md src, weights, bias, dst;  // bias: NULL for none
  const dnnl_dim_t *strides, *dilates, *pads;
} u2pl_conv_parts;

/// `forward` is NULL for a forward convolution, and its descriptor for a backward one, which has no bias.
dnnl_status_t u2pl_conv_describe(
    dnnl_primitive_desc_t *pd, u2pl_conv_kind kind, const u2pl_conv_parts *parts, dnnl_primitive_desc_t forward);

/// c = a · b.
dnnl_status_t u2pl_matmul_describe(dnnl_primitive_desc_t *pd, u2pl_const_md a, u2pl_const_md b, u2pl_const_md c);

#endif
