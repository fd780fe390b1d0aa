#include "imageio.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// libjpeg hands its callbacks the error manager only, so the jump target travels behind it.
struct jpeg_errors {
  struct jpeg_error_mgr manager;
  jmp_buf target;
  char *message;
};

static void fail(j_common_ptr jpeg) {
  struct jpeg_errors *errors = (struct jpeg_errors *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  snprintf(errors->message, U2PL_MESSAGE_SIZE, "%s", text);
  longjmp(errors->target, 1);
}

// Level -1 is a warning; after one libjpeg goes on with made-up pixels. The two let through concern metadata only.
static void remark(j_common_ptr jpeg, int level) {
  int code = jpeg->err->msg_code;
  if (level < 0 && code != JWRN_JFIF_MAJOR && code != JWRN_ADOBE_XFORM) fail(jpeg);
}

static void begin(struct jpeg_decompress_struct *jpeg, struct jpeg_errors *errors, char *message) {
  memset(jpeg, 0, sizeof *jpeg);
  jpeg->err = jpeg_std_error(&errors->manager);
  errors->manager.error_exit = fail;
  errors->manager.emit_message = remark;
  errors->message = message;
}

int u2pl_jpeg_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_errors errors;
  begin(&jpeg, &errors, message);
  if (setjmp(errors.target)) {
    jpeg_destroy_decompress(&jpeg);
    return 1;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  header->width = jpeg.image_width;
  header->height = jpeg.image_height;
  header->channels = jpeg.num_components;
  header->bits = jpeg.data_precision;
  header->palette = 0;
  header->dense = jpeg.arith_code;
  header->data_offset = size - jpeg.src->bytes_in_buffer;
  jpeg_destroy_decompress(&jpeg);
  return 0;
}

int u2pl_jpeg_decode(
    const uint8_t *data, size_t size, uint32_t width, uint32_t height, uint8_t *pixels, char *message) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_errors errors;
  begin(&jpeg, &errors, message);
  if (setjmp(errors.target)) {
    jpeg_destroy_decompress(&jpeg);
    return 1;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress(&jpeg);
  if (jpeg.output_width != width || jpeg.output_height != height || jpeg.output_components != 3) {
    snprintf(message, U2PL_MESSAGE_SIZE, "the decoded image is not of the header's size");
    jpeg_destroy_decompress(&jpeg);
    return 1;
  }
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = pixels + (size_t)jpeg.output_scanline * width * 3;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  // Reads on to the end marker: a file that lacks only its last bytes is found out here.
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return 0;
}
