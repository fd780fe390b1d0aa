#include "descriptors.h"

#include <stdio.h>
#include <stdlib.h>

struct u2pl_conv {
  dnnl_primitive_t primitive;
  dnnl_memory_t activation, weights, bias, result;
  u2pl_md packed, oihw;
  u2pl_conv_kind kind;
  char implementation[64];
};

static int describe(u2pl_md *md, int n, int c, int h, int w, dnnl_format_tag_t tag) {
  dnnl_dims_t dims = {n, c, h, w};
  return u2pl_failed(u2pl_md_by_tag(md, 4, dims, tag), "describing a tensor");
}

static int create_memory(dnnl_memory_t *memory, u2pl_const_md md) {
  return u2pl_failed(dnnl_memory_create(memory, md, u2pl_engine, DNNL_MEMORY_NONE), "dnnl_memory_create");
}

/// The layout of the weight gradient for one sample, to which sums over more samples are held.
static int layout_for_one_sample(const u2pl_conv_shape *shape, u2pl_md *layout) {
  u2pl_conv_shape one = *shape;
  one.samples = 1;
  u2pl_conv *single = u2pl_conv_create(&one, u2pl_conv_backward_weights);
  if (!single) return 1;
  int status = u2pl_failed(u2pl_md_copy(layout, single->packed), "copying a descriptor");
  u2pl_conv_destroy(single);
  return status;
}

u2pl_conv *u2pl_conv_create(const u2pl_conv_shape *s, u2pl_conv_kind kind) {
  if (u2pl_engine_start()) return NULL;
  u2pl_conv *conv = calloc(1, sizeof *conv);
  if (!conv) return NULL;
  conv->kind = kind;
  u2pl_md src = NULL, any = NULL, dst = NULL, bias = NULL, gradient = NULL;
  dnnl_dims_t bias_dims = {s->out_channels}, strides = {s->stride, s->stride},
              dilates = {s->dilation - 1, s->dilation - 1}, pads = {s->pad, s->pad};
  dnnl_primitive_desc_t forward = NULL, pd = NULL;
  const char *what = "describing a convolution";
  int is_good = 0;
  if (describe(&src, s->samples, s->in_channels, s->height, s->width, dnnl_nhwc) ||
      describe(&dst, s->samples, s->out_channels, s->out_height, s->out_width, dnnl_nhwc) ||
      describe(&any, s->out_channels, s->in_channels, s->kernel, s->kernel, dnnl_format_tag_any) ||
      describe(&conv->oihw, s->out_channels, s->in_channels, s->kernel, s->kernel, dnnl_oihw) ||
      u2pl_failed(u2pl_md_by_tag(&bias, 1, bias_dims, dnnl_x), what) ||
      (kind == u2pl_conv_backward_weights && s->samples > 1 && layout_for_one_sample(s, &gradient)))
    goto end;

  u2pl_conv_parts parts = {src, any, s->bias && kind == u2pl_conv_forward ? bias : NULL, dst, strides, dilates, pads};
  if (u2pl_failed(u2pl_conv_describe(&forward, u2pl_conv_forward, &parts, NULL), what)) goto end;
  if (kind != u2pl_conv_forward) {
    if (gradient) parts.weights = gradient;
    if (u2pl_failed(u2pl_conv_describe(&pd, kind, &parts, forward), what)) goto end;
  }
  dnnl_primitive_desc_t chosen = pd ? pd : forward;
  u2pl_const_md packed = dnnl_primitive_desc_query_md(
      chosen, kind == u2pl_conv_backward_weights ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  const char *name = NULL;
  dnnl_primitive_desc_query(chosen, dnnl_query_impl_info_str, 0, &name);
  snprintf(conv->implementation, sizeof conv->implementation, "%s", name ? name : "");
  is_good = !(u2pl_failed(u2pl_md_copy(&conv->packed, packed), what) ||
              u2pl_failed(dnnl_primitive_create(&conv->primitive, chosen), "dnnl_primitive_create") ||
              create_memory(&conv->activation, src) || create_memory(&conv->weights, conv->packed) ||
              create_memory(&conv->result, dst) || (parts.bias && create_memory(&conv->bias, bias)));
end:
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (forward) dnnl_primitive_desc_destroy(forward);
  u2pl_md_destroy(src);
  u2pl_md_destroy(any);
  u2pl_md_destroy(dst);
  u2pl_md_destroy(bias);
  u2pl_md_destroy(gradient);
  if (is_good) return conv;
  u2pl_conv_destroy(conv);
  return NULL;
}

void u2pl_conv_destroy(u2pl_conv *conv) {
  if (conv->primitive) dnnl_primitive_destroy(conv->primitive);
  if (conv->activation) dnnl_memory_destroy(conv->activation);
  if (conv->weights) dnnl_memory_destroy(conv->weights);
  if (conv->bias) dnnl_memory_destroy(conv->bias);
  if (conv->result) dnnl_memory_destroy(conv->result);
  u2pl_md_destroy(conv->packed);
  u2pl_md_destroy(conv->oihw);
  free(conv);
}

size_t u2pl_conv_packed_floats(const u2pl_conv *conv) { return dnnl_memory_desc_get_size(conv->packed) / sizeof(float); }

uint64_t u2pl_conv_layout(const u2pl_conv *conv) {
  // FNV-1a of the blocking; the rest of the descriptor is the layer's own shape.
  uint64_t h = 0xcbf29ce484222325u;
  int64_t words[14];
  u2pl_md_blocking(conv->packed, words);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) h = (h ^ (uint64_t)words[i]) * 0x100000001b3u;
  return h;
}

const char *u2pl_conv_implementation(const u2pl_conv *conv) { return conv->implementation; }

static int reorder(u2pl_const_md from_md, const float *from, u2pl_const_md to_md, float *to) {
  dnnl_primitive_desc_t pd = NULL;
  dnnl_primitive_t primitive = NULL;
  dnnl_memory_t source = NULL, target = NULL;
  int status = u2pl_failed(dnnl_reorder_primitive_desc_create(&pd, from_md, u2pl_engine, to_md, u2pl_engine, NULL), "weight reorder") ||
               u2pl_failed(dnnl_primitive_create(&primitive, pd), "weight reorder") ||
               u2pl_failed(dnnl_memory_create(&source, from_md, u2pl_engine, (void *)from), "weight reorder") ||
               u2pl_failed(dnnl_memory_create(&target, to_md, u2pl_engine, to), "weight reorder");
  if (!status) {
    dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, target}};
    status = u2pl_failed(dnnl_primitive_execute(primitive, u2pl_stream, 2, args), "weight reorder") ||
             u2pl_failed(dnnl_stream_wait(u2pl_stream), "weight reorder");
  }
  if (source) dnnl_memory_destroy(source);
  if (target) dnnl_memory_destroy(target);
  if (primitive) dnnl_primitive_destroy(primitive);
  if (pd) dnnl_primitive_desc_destroy(pd);
  return status;
}

int u2pl_conv_pack(u2pl_conv *conv, const float *oihw, float *packed) {
  return reorder(conv->oihw, oihw, conv->packed, packed);
}

int u2pl_conv_unpack(u2pl_conv *conv, const float *packed, float *oihw) {
  return reorder(conv->packed, packed, conv->oihw, oihw);
}

int u2pl_conv_execute(u2pl_conv *conv, float *activation, float *weights, const float *bias, float *result) {
  static const int names[3][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                  {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST},
                                  {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST}};
  if (u2pl_failed(dnnl_memory_set_data_handle(conv->activation, activation), "convolution") ||
      u2pl_failed(dnnl_memory_set_data_handle(conv->weights, weights), "convolution") ||
      u2pl_failed(dnnl_memory_set_data_handle(conv->result, result), "convolution") ||
      (conv->bias && u2pl_failed(dnnl_memory_set_data_handle(conv->bias, (void *)bias), "convolution")))
    return 1;
  const int *name = names[conv->kind];
  dnnl_exec_arg_t args[] = {{name[0], conv->activation}, {name[1], conv->weights}, {name[2], conv->result},
                            {DNNL_ARG_BIAS, conv->bias}};
  return u2pl_failed(dnnl_primitive_execute(conv->primitive, u2pl_stream, conv->bias ? 4 : 3, args), "convolution") ||
         u2pl_failed(dnnl_stream_wait(u2pl_stream), "convolution");
}
