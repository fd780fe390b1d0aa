#include "imageio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

static void fail(png_structp png, png_const_charp text) {
  snprintf(png_get_error_ptr(png), U2PL_MESSAGE_SIZE, "%s", text);
  png_longjmp(png, 1);
}

// libpng warns of odd metadata (colour profiles above all); damaged pixels are errors.
static void ignore(png_structp png, png_const_charp text) { (void)png, (void)text; }

struct source {
  const uint8_t *data;
  size_t left;
};

static void take(png_structp png, png_bytep out, size_t count) {
  struct source *source = png_get_io_ptr(png);
  if (count > source->left) png_error(png, "the file ends before the image does");
  memcpy(out, source->data, count);
  source->data += count;
  source->left -= count;
}

// Size limits are the caller's, who names the file; libpng's own would come first with a vaguer message.
static png_structp begin_reading(struct source *source, png_infop *info, char *message) {
  snprintf(message, U2PL_MESSAGE_SIZE, "out of memory");
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, fail, ignore);
  if (!png) return NULL;
  *info = png_create_info_struct(png);
  if (!*info) {
    png_destroy_read_struct(&png, NULL, NULL);
    return NULL;
  }
  png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_read_fn(png, source, take);
  return png;
}

int u2pl_png_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message) {
  struct source source = {data, size};
  png_infop info = NULL;
  png_structp png = begin_reading(&source, &info, message);
  if (!png) return 1;
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
  }
  png_read_info(png, info);
  header->width = png_get_image_width(png, info);
  header->height = png_get_image_height(png, info);
  header->channels = png_get_channels(png, info);
  header->bits = png_get_bit_depth(png, info);
  header->palette = png_get_color_type(png, info) == PNG_COLOR_TYPE_PALETTE;
  header->data_offset = 0;
  header->dense = 0;
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}

// Keeps the high byte of each value, as every reader of 8 bits does, and notes what all of them use.
static void narrow(const uint8_t *wide, uint8_t *pixels, size_t count, struct u2pl_image_report *report) {
  uint16_t greatest = report->greatest, used = report->used;
  int doubled = report->doubled;
  for (size_t i = 0; i < count; i++) {
    uint16_t value = (uint16_t)(wide[2 * i] << 8 | wide[2 * i + 1]);
    greatest = value > greatest ? value : greatest;
    used |= value;
    doubled &= wide[2 * i] == wide[2 * i + 1];
    pixels[i] = wide[2 * i];
  }
  report->greatest = greatest;
  report->used = used;
  report->doubled = doubled;
}

static int is_little_endian(void) {
  const uint16_t one = 1;
  return *(const uint8_t *)&one;
}

int u2pl_png_decode(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report) {
  struct source source = {data, size};
  png_infop info = NULL;
  // Rows of 16 bits, before they are narrowed; written before a jump and read after it.
  uint8_t *volatile wide = NULL;
  memset(report, 0, sizeof *report);
  png_structp png = begin_reading(&source, &info, report->message);
  if (!png) return 1;
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    free(wide);
    return 1;
  }
  png_read_info(png, info);
  int is_wide = png_get_bit_depth(png, info) == 16;
  if (channels == 3) {
    png_set_expand(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
  } else {
    png_set_packing(png);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t values = (size_t)width * channels, row_bytes = is_wide ? 2 * values : values;
  if (png_get_image_height(png, info) != height || png_get_rowbytes(png, info) != row_bytes)
    png_error(png, "the decoded image is not of the expected layout");
  if (is_wide) {
    // The passes of an interlaced image each add to all of its rows.
    wide = malloc(row_bytes * (passes > 1 ? height : 1));
    if (!wide) png_error(png, "out of memory");
    report->doubled = 1;
  }
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < height; y++) {
      uint8_t *row = !is_wide ? pixels + y * row_bytes : passes > 1 ? wide + y * row_bytes : wide;
      png_read_row(png, row, NULL);
      if (is_wide && pass == passes - 1) narrow(row, pixels + y * values, values, report);
    }
  // Reads on to IEND, so that a file that lacks only its last bytes is found out.
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  free(wide);
  return 0;
}

int u2pl_png_decode_whole(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report) {
  struct source source = {data, size};
  png_infop info = NULL;
  memset(report, 0, sizeof *report);
  png_structp png = begin_reading(&source, &info, report->message);
  if (!png) return 1;
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
  }
  png_read_info(png, info);
  int type = png_get_color_type(png, info);
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (!(type & PNG_COLOR_MASK_COLOR) && channels == 3) png_set_gray_to_rgb(png);
  if (channels % 2 == 1) png_set_strip_alpha(png);
  if (is_little_endian()) png_set_swap(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t row_bytes = (size_t)width * channels * (png_get_bit_depth(png, info) / 8);
  if (png_get_image_height(png, info) != height || png_get_rowbytes(png, info) != row_bytes)
    png_error(png, "the decoded image is not of the expected layout");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < height; y++) png_read_row(png, pixels + y * row_bytes, NULL);
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}

struct u2pl_png_writer {
  png_structp png;
  png_infop info;
  int descriptor;
  size_t row_bytes, waiting;
  char message[U2PL_MESSAGE_SIZE];
  uint8_t buffer[1 << 16];
};

static void flush_buffer(png_structp png) {
  struct u2pl_png_writer *writer = png_get_io_ptr(png);
  for (size_t done = 0; done < writer->waiting;) {
    ssize_t put = write(writer->descriptor, writer->buffer + done, writer->waiting - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) png_error(png, strerror(errno));
    done += (size_t)put;
  }
  writer->waiting = 0;
}

static void put(png_structp png, png_bytep bytes, size_t count) {
  struct u2pl_png_writer *writer = png_get_io_ptr(png);
  while (count > 0) {
    size_t room = sizeof writer->buffer - writer->waiting, part = count < room ? count : room;
    memcpy(writer->buffer + writer->waiting, bytes, part);
    writer->waiting += part;
    bytes += part;
    count -= part;
    if (writer->waiting == sizeof writer->buffer) flush_buffer(png);
  }
}

// libpng asks for it after each chunk; the buffer is written when it is full, and at the end.
static void flush(png_structp png) { (void)png; }

struct u2pl_png_writer *u2pl_png_begin(int descriptor) {
  struct u2pl_png_writer *writer = calloc(1, sizeof *writer);
  if (!writer) return NULL;
  writer->descriptor = descriptor;
  snprintf(writer->message, U2PL_MESSAGE_SIZE, "out of memory");
  writer->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer->message, fail, ignore);
  if (writer->png) writer->info = png_create_info_struct(writer->png);
  if (!writer->info) {
    u2pl_png_free(writer);
    return NULL;
  }
  png_set_user_limits(writer->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  png_set_write_fn(writer->png, writer, put, flush);
  return writer;
}

int u2pl_png_head(
    struct u2pl_png_writer *writer, uint32_t width, uint32_t height, int channels, int bits, const uint8_t *palette,
    int palette_size) {
  png_structp png = writer->png;
  if (setjmp(png_jmpbuf(png))) return 1;
  writer->row_bytes = (size_t)width * channels * (bits / 8);
  int type = palette ? PNG_COLOR_TYPE_PALETTE
                     : (channels >= 3 ? PNG_COLOR_MASK_COLOR : 0) | (channels % 2 == 0 ? PNG_COLOR_MASK_ALPHA : 0);
  png_set_IHDR(
      png, writer->info, width, height, bits, type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
      PNG_FILTER_TYPE_DEFAULT);
  if (type == PNG_COLOR_TYPE_PALETTE) {
    png_color colors[256];
    for (int i = 0; i < palette_size; i++)
      colors[i] = (png_color){palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]};
    png_set_PLTE(png, writer->info, colors, palette_size);
  }
  png_write_info(png, writer->info);
  if (bits == 16 && is_little_endian()) png_set_swap(png);
  return 0;
}

int u2pl_png_rows(struct u2pl_png_writer *writer, const uint8_t *pixels, uint32_t count) {
  if (setjmp(png_jmpbuf(writer->png))) return 1;
  for (uint32_t y = 0; y < count; y++) png_write_row(writer->png, pixels + y * writer->row_bytes);
  return 0;
}

int u2pl_png_end(struct u2pl_png_writer *writer) {
  if (setjmp(png_jmpbuf(writer->png))) return 1;
  png_write_end(writer->png, NULL);
  flush_buffer(writer->png);
  return 0;
}

const char *u2pl_png_message(const struct u2pl_png_writer *writer) { return writer->message; }

void u2pl_png_free(struct u2pl_png_writer *writer) {
  if (!writer) return;
  png_destroy_write_struct(&writer->png, &writer->info);
  free(writer);
}
