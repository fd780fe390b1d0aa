#include "imageio.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int u2pl_png_decode(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels, char *message) {
  struct source source = {data, size};
  png_infop info = NULL;
  png_structp png = begin_reading(&source, &info, message);
  if (!png) return 1;
  if (setjmp(png_jmpbuf(png))) {
    png_destroy_read_struct(&png, &info, NULL);
    return 1;
  }
  png_read_info(png, info);
  if (channels == 3) {
    png_set_strip_16(png);
    png_set_expand(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
  } else {
    png_set_packing(png);
  }
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t row_bytes = (size_t)width * channels;
  if (png_get_image_height(png, info) != height || png_get_rowbytes(png, info) != row_bytes)
    png_error(png, "the decoded image is not of the expected layout");
  for (int pass = 0; pass < passes; pass++)
    for (uint32_t y = 0; y < height; y++) png_read_row(png, pixels + y * row_bytes, NULL);
  // Reads on to IEND, so that a file that lacks only its last bytes is found out.
  png_read_end(png, NULL);
  png_destroy_read_struct(&png, &info, NULL);
  return 0;
}

struct sink {
  uint8_t *data;
  size_t size, capacity;
};

static void put(png_structp png, png_bytep bytes, size_t count) {
  struct sink *sink = png_get_io_ptr(png);
  if (sink->size + count > sink->capacity) {
    size_t capacity = 2 * (sink->size + count);
    uint8_t *data = realloc(sink->data, capacity);
    if (!data) png_error(png, "out of memory");
    sink->data = data;
    sink->capacity = capacity;
  }
  memcpy(sink->data + sink->size, bytes, count);
  sink->size += count;
}

static void flush(png_structp png) { (void)png; }

int u2pl_png_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const uint8_t *palette, int palette_size,
    uint8_t **file, size_t *size, char *message) {
  struct sink sink = {NULL, 0, 0};
  snprintf(message, U2PL_MESSAGE_SIZE, "out of memory");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, fail, ignore);
  if (!png) return 1;
  png_infop info = png_create_info_struct(png);
  if (!info || setjmp(png_jmpbuf(png))) {
    png_destroy_write_struct(&png, &info);
    free(sink.data);
    return 1;
  }
  png_set_write_fn(png, &sink, put, flush);
  int type = channels == 3 ? PNG_COLOR_TYPE_RGB : palette ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_GRAY;
  png_set_IHDR(
      png, info, width, height, 8, type, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (type == PNG_COLOR_TYPE_PALETTE) {
    png_color colors[256];
    for (int i = 0; i < palette_size; i++)
      colors[i] = (png_color){palette[3 * i], palette[3 * i + 1], palette[3 * i + 2]};
    png_set_PLTE(png, info, colors, palette_size);
  }
  png_write_info(png, info);
  for (uint32_t y = 0; y < height; y++) png_write_row(png, pixels + (size_t)y * width * channels);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  *file = sink.data;
  *size = sink.size;
  return 0;
}
