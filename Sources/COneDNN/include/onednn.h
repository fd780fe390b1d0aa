#ifndef U2PL_ONEDNN_H
#define U2PL_ONEDNN_H

#include <stddef.h>
#include <stdint.h>

/// What oneDNN's C interfaces of 2.6 to 3.x express differently is kept behind these few functions. One engine and one
/// stream serve the process; calls come from one thread.

/// A convolution of NHWC samples, float32, square kernel; `pad` on all four sides, `dilation` 1 = dense.
typedef struct {
  int samples;
  int height, width, in_channels;
  int out_height, out_width, out_channels;
  int kernel, stride, dilation, pad;
  int bias;  // forward only
} u2pl_conv_shape;

typedef enum { u2pl_conv_forward, u2pl_conv_backward_data, u2pl_conv_backward_weights } u2pl_conv_kind;

/// A compiled convolution: creating one generates code (milliseconds), executing it only passes pointers.
typedef struct u2pl_conv u2pl_conv;

/// NULL on failure; `u2pl_onednn_error` then says why.
u2pl_conv *u2pl_conv_create(const u2pl_conv_shape *shape, u2pl_conv_kind kind);
void u2pl_conv_destroy(u2pl_conv *conv);

/// Floats of the weight layout this primitive asked for (blocked and perhaps padded), and a number that is equal for
/// equal layouts, so that primitives of one layer can share a packed copy.
size_t u2pl_conv_packed_floats(const u2pl_conv *conv);
uint64_t u2pl_conv_layout(const u2pl_conv *conv);
/// oneDNN's name for the kernel it chose.
const char *u2pl_conv_implementation(const u2pl_conv *conv);

/// Between OIHW and the primitive's layout. 0, or an error status.
int u2pl_conv_pack(u2pl_conv *conv, const float *oihw, float *packed);
int u2pl_conv_unpack(u2pl_conv *conv, const float *packed, float *oihw);

/// forward: activation = source, weights and bias read, result = destination written.
/// backward data: activation = gradient of the source, written; result = gradient of the destination, read.
/// backward weights: activation = source, result = gradient of the destination; weights (packed) written, summed over
/// the samples, in the layout of the primitive for one sample.
/// 0, or an error status.
int u2pl_conv_execute(u2pl_conv *conv, float *activation, float *weights, const float *bias, float *result);

/// `batch` products C = A · B, float32, row-major: A is m × k with rows `a_row` apart, or, where `transposed`, stored as
/// k × m with rows `a_row` apart; B is k × n and C m × n, dense. `…_stride`: from one product of the batch to the next.
typedef struct {
  int batch, m, k, n;
  int transposed;
  int64_t a_row, a_stride, b_stride, c_stride;
} u2pl_matmul_shape;

/// A compiled matrix product.
typedef struct u2pl_matmul u2pl_matmul;

/// NULL on failure; `u2pl_onednn_error` then says why.
u2pl_matmul *u2pl_matmul_create(const u2pl_matmul_shape *shape);
void u2pl_matmul_destroy(u2pl_matmul *matmul);
/// 0, or an error status.
int u2pl_matmul_execute(u2pl_matmul *matmul, const float *a, const float *b, float *c);

/// Text of the last failure.
const char *u2pl_onednn_error(void);
/// Version such as "2.6.3" or "3.6.2".
const char *u2pl_onednn_version(void);
/// The widest instruction set its kernels may use, such as "avx512_core_bf16".
const char *u2pl_onednn_isa(void);

#endif
