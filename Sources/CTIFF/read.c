#include "file.h"

#include <stdio.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int u2pl_tiff_refuse(struct u2pl_tiff *file, const char *text) {
  snprintf(file->message, sizeof file->message, "%s", text);
  return 1;
}

// The first of several errors tells what is wrong; the others follow from it.
static int note(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
  (void)tiff, (void)module;
  struct u2pl_tiff *file = user;
  if (!file->failed) vsnprintf(file->message, sizeof file->message, format, arguments);
  file->failed = 1;
  return 1;
}

// libtiff warns of unknown tags, which cameras and microscopes write.
static int pass_over(TIFF *tiff, void *user, const char *module, const char *format, va_list arguments) {
  (void)tiff, (void)user, (void)module, (void)format, (void)arguments;
  return 1;
}

static struct u2pl_tiff *opened(int descriptor, const char *name, const char *mode, uint64_t most) {
  struct u2pl_tiff *file = calloc(1, sizeof *file);
  TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
  // libtiff closes the descriptor that it has.
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file && options && copy >= 0) {
    if (most > 0) TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)most);
    TIFFOpenOptionsSetErrorHandlerExtR(options, note, file);
    TIFFOpenOptionsSetWarningHandlerExtR(options, pass_over, file);
    file->tiff = TIFFFdOpenExt(copy, name, mode, options);
  }
  if (options) TIFFOpenOptionsFree(options);
  if ((!file || !file->tiff) && copy >= 0) close(copy);
  return file;
}

// 'm': no memory mapping, so that a file that is cut short meanwhile is an error and no signal.
struct u2pl_tiff *u2pl_tiff_read(int descriptor, const char *name, uint64_t most) {
  return opened(descriptor, name, "rm", most);
}

struct u2pl_tiff *u2pl_tiff_write(int descriptor, const char *name, int big) {
  return opened(descriptor, name, big ? "w8" : "w", 0);
}

const char *u2pl_tiff_message(const struct u2pl_tiff *file) { return file->message; }

void u2pl_tiff_close(struct u2pl_tiff *file) {
  if (!file) return;
  if (file->tiff) TIFFClose(file->tiff);
  free(file);
}

// What the present directory says.
static void describe(TIFF *tiff, struct u2pl_tiff_page *page) {
  uint16_t samples = 1, bits = 1, format = SAMPLEFORMAT_UINT, photometric = PHOTOMETRIC_MINISBLACK,
           compression = COMPRESSION_NONE, orientation = ORIENTATION_TOPLEFT, extras = 0, *kinds = NULL;
  uint32_t subfile = 0;
  memset(page, 0, sizeof *page);
  page->directory = TIFFCurrentDirOffset(tiff);
  TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &page->width);
  TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &page->height);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &samples);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &orientation);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &extras, &kinds);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SUBFILETYPE, &subfile);
  TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &photometric);
  page->samples = samples;
  page->bits = bits;
  // Old programs write "void" for unsigned.
  page->format = format == SAMPLEFORMAT_VOID ? SAMPLEFORMAT_UINT : format;
  page->photometric = photometric;
  page->compression = compression;
  page->orientation = orientation;
  page->alpha = extras > 0 && kinds && kinds[extras - 1] != EXTRASAMPLE_UNSPECIFIED;
  page->reduced = (subfile & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) != 0;
}

int u2pl_tiff_next(struct u2pl_tiff *file, struct u2pl_tiff_page *page) {
  if (!file->tiff) return file->failed ? 1 : u2pl_tiff_refuse(file, "cannot be opened");
  // TIFFReadDirectory returns 0 both after the last page and for a damaged one.
  file->failed = 0;
  if (file->begun && TIFFLastDirectory(file->tiff)) return -1;
  if (file->begun && !TIFFReadDirectory(file->tiff))
    return file->failed ? 1 : u2pl_tiff_refuse(file, "one of its pages cannot be read");
  file->begun = 1;
  describe(file->tiff, page);
  return 0;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

// Copies a block of decoded rows into the image: `pixel` bytes a pixel of the block, `stride` bytes from one pixel of the
// image to the next.
static void place(
    uint8_t *image, size_t row_bytes, size_t stride, const uint8_t *block, size_t block_row, size_t pixel,
    uint32_t rows, uint32_t columns) {
  for (uint32_t y = 0; y < rows; y++) {
    if (stride == pixel) {
      memcpy(image + y * row_bytes, block + y * block_row, columns * pixel);
      continue;
    }
    for (uint32_t x = 0; x < columns; x++)
      memcpy(image + y * row_bytes + x * stride, block + y * block_row + x * pixel, pixel);
  }
}

static int decode_blocks(
    struct u2pl_tiff *file, const struct u2pl_tiff_page *page, uint8_t *pixels, uint64_t most, int tiled) {
  TIFF *tiff = file->tiff;
  uint32_t block_width = page->width, block_height = page->height;
  uint16_t planar = PLANARCONFIG_CONTIG;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &planar);
  if (tiled) {
    if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &block_width) || !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &block_height))
      return u2pl_tiff_refuse(file, "its tiles have no size");
  } else {
    uint32_t rows = page->height;
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    block_height = least(rows, page->height);
  }
  int separate = planar == PLANARCONFIG_SEPARATE && page->samples > 1;
  size_t value = page->bits / 8, whole = value * page->samples, row_bytes = whole * page->width;
  size_t pixel = separate ? value : whole, planes = separate ? page->samples : 1;
  uint64_t block_row = (uint64_t)block_width * pixel;
  if (block_width == 0 || block_height == 0 || block_row > most || (uint64_t)block_height > most / block_row)
    return u2pl_tiff_refuse(file, "its tiles or strips have an impossible size");
  size_t block_size = block_row * block_height;
  tmsize_t expected = tiled ? TIFFTileSize(tiff) : TIFFVStripSize(tiff, block_height);
  if (expected != (tmsize_t)block_size) return u2pl_tiff_refuse(file, "its tiles or strips have an unexpected layout");
  uint8_t *block = malloc(block_size);
  if (!block) return u2pl_tiff_refuse(file, "out of memory");
  int failed = 0;
  for (size_t plane = 0; plane < planes && !failed; plane++)
    for (uint32_t y = 0; y < page->height && !failed; y += block_height) {
      for (uint32_t x = 0; x < page->width && !failed; x += block_width) {
        uint32_t rows = least(block_height, page->height - y), columns = least(block_width, page->width - x);
        // The last strip has as many rows as are left; tiles are always whole.
        tmsize_t size = (tmsize_t)(tiled ? block_size : rows * block_row), got;
        if (tiled)
          got = TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, x, y, 0, (uint16_t)plane), block, size);
        else
          got = TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, y, (uint16_t)plane), block, size);
        if (got != size || file->failed) {
          if (!file->failed) u2pl_tiff_refuse(file, "a tile or strip has too few values");
          failed = 1;
          break;
        }
        place(
            pixels + y * row_bytes + x * whole + plane * value, row_bytes, whole, block, block_row, pixel, rows, columns);
        // x + block_width may exceed what 32 bits hold.
        if (block_width > page->width - x) break;
      }
      if (block_height > page->height - y) break;
    }
  free(block);
  return failed;
}

int u2pl_tiff_decode(
    struct u2pl_tiff *file, const struct u2pl_tiff_page *page, uint8_t *pixels, uint64_t size, uint64_t most) {
  if (!file->tiff) return file->failed ? 1 : u2pl_tiff_refuse(file, "cannot be opened");
  file->failed = 0;
  struct u2pl_tiff_page now;
  if (!TIFFSetSubDirectory(file->tiff, page->directory))
    return file->failed ? 1 : u2pl_tiff_refuse(file, "a page is no longer where it was: the file has changed");
  describe(file->tiff, &now);
  if (memcmp(&now, page, sizeof now) != 0 || size != (uint64_t)page->height * page->width * page->samples * (page->bits / 8))
    return u2pl_tiff_refuse(file, "a page is no longer what it was: the file has changed");
  if (page->photometric == PHOTOMETRIC_YCBCR) TIFFSetField(file->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
  return decode_blocks(file, page, pixels, most, TIFFIsTiled(file->tiff));
}
