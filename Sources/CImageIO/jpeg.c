#include "imageio.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

// libjpeg hands its callbacks the error manager only, so the jump target, and what warnings have told, travel behind it.
struct jpeg_errors {
  struct jpeg_error_mgr manager;
  jmp_buf target;
  char *message;
  struct u2pl_image_report *report; // NULL where the header alone is read
};

static void fail(j_common_ptr jpeg) {
  struct jpeg_errors *errors = (struct jpeg_errors *)jpeg->err;
  char text[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, text);
  snprintf(errors->message, U2PL_MESSAGE_SIZE, "%s", text);
  longjmp(errors->target, 1);
}

// Whether the file has all there is to know of the rows that its current scan has passed.
static int is_last_scan(const struct jpeg_decompress_struct *jpeg) {
  for (int c = 0; c < jpeg->num_components; c++) {
    if (jpeg->progressive_mode) {
      for (int k = 0; k < DCTSIZE2; k++)
        if (!jpeg->coef_bits || jpeg->coef_bits[c][k] != 0) return 0;
    } else if (!jpeg->comp_info[c].quant_table) {
      // It is set when the component's scan begins.
      return 0;
    }
  }
  return 1;
}

// The coded data has come to its end before the picture has.
static void note_end_of_data(const struct jpeg_decompress_struct *jpeg, struct u2pl_image_report *report) {
  uint32_t rows = is_last_scan(jpeg) ? jpeg->input_iMCU_row * report->block_rows : 0;
  uint32_t lost = rows < jpeg->image_height ? jpeg->image_height - rows : 0;
  if (lost > report->lost_rows) report->lost_rows = lost;
}

// Level -1 is a warning. Those after which libjpeg makes pixels up are errors here, but for data that ends early, of which the
// report tells; two concern metadata only.
static void remark(j_common_ptr common, int level) {
  struct jpeg_errors *errors = (struct jpeg_errors *)common->err;
  struct u2pl_image_report *report = errors->report;
  struct jpeg_decompress_struct *jpeg = (struct jpeg_decompress_struct *)common;
  if (level >= 0) return;
  switch (common->err->msg_code) {
  case JWRN_JFIF_MAJOR:
  case JWRN_ADOBE_XFORM:
    break;
  case JWRN_EXTRANEOUS_DATA:
    if (report) report->extraneous += (uint32_t)common->err->msg_parm.i[0];
    break;
  case JWRN_NOT_SEQUENTIAL:
    if (report) report->odd_scan = 1;
    break;
  case JWRN_JPEG_EOF:
    if (!report || report->block_rows == 0) fail(common);
    report->unended = 1;
    // The decoder of arithmetic codes does not say that its data has ended. After the last row it is the end marker alone that
    // is missing, and within a scan of Huffman codes they tell themselves whether they lack anything.
    if (jpeg->arith_code || !is_last_scan(jpeg)) note_end_of_data(jpeg, report);
    break;
  case JWRN_HIT_MARKER:
    if (!report || report->block_rows == 0) fail(common);
    note_end_of_data(jpeg, report);
    break;
  case JWRN_MUST_RESYNC:
    // Not a lost part between two restart markers, but the end.
    if (!report || report->block_rows == 0 || common->err->msg_parm.i[0] != JPEG_EOI) fail(common);
    note_end_of_data(jpeg, report);
    break;
  default:
    fail(common);
  }
}

static void begin(struct jpeg_decompress_struct *jpeg, struct jpeg_errors *errors, char *message) {
  memset(jpeg, 0, sizeof *jpeg);
  jpeg->err = jpeg_std_error(&errors->manager);
  errors->manager.error_exit = fail;
  errors->manager.emit_message = remark;
  errors->message = message;
  errors->report = NULL;
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
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report) {
  struct jpeg_decompress_struct jpeg;
  struct jpeg_errors errors;
  memset(report, 0, sizeof *report);
  begin(&jpeg, &errors, report->message);
  errors.report = report;
  if (setjmp(errors.target)) {
    jpeg_destroy_decompress(&jpeg);
    return 1;
  }
  jpeg_create_decompress(&jpeg);
  jpeg_mem_src(&jpeg, data, size);
  jpeg_read_header(&jpeg, TRUE);
  report->block_rows = (uint32_t)jpeg.max_v_samp_factor * DCTSIZE;
  jpeg.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&jpeg);
  if (jpeg.output_width != width || jpeg.output_height != height || jpeg.output_components != channels) {
    snprintf(report->message, U2PL_MESSAGE_SIZE, "the decoded image is not of the header's size");
    jpeg_destroy_decompress(&jpeg);
    return 1;
  }
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW row = pixels + (size_t)jpeg.output_scanline * width * channels;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  // Reads on to the end marker: a file that lacks only its last bytes is found out here.
  jpeg_finish_decompress(&jpeg);
  jpeg_destroy_decompress(&jpeg);
  return 0;
}
