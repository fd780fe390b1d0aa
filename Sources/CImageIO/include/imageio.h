#ifndef U2PL_IMAGEIO_H
#define U2PL_IMAGEIO_H

#include <stddef.h>
#include <stdint.h>

// libjpeg and libpng report errors by calling back and expect the callback to longjmp, which Swift code must not be
// jumped over by. So everything between setjmp and the last library call lives here. Files are read and written by the
// caller; these functions see memory only. Each returns 0, or 1 after putting a sentence into `message`.

enum { U2PL_MESSAGE_SIZE = 256 };

/// What a file says about its image before any pixel is decoded.
struct u2pl_image_header {
  uint32_t width, height;
  int channels;       ///< as stored: 1 grey or palette, 2 grey + alpha, 3 colour, 4 colour + alpha, or CMYK in a JPEG
  int bits;           ///< per channel, or per palette index
  int palette;        ///< 1 when pixels are indices into a palette
  size_t data_offset; ///< JPEG: where the first scan's data begins
  int dense;          ///< JPEG: 1 when arithmetic coding may take less than a bit for a block
};

/// What decoding tells besides pixels.
struct u2pl_image_report {
  char message[U2PL_MESSAGE_SIZE]; ///< why decoding has failed
  uint32_t extraneous;             ///< JPEG: bytes between the parts of the file that belong to none
  int unended;                     ///< JPEG: 1 when the file has no end marker
  int odd_scan;                    ///< JPEG: 1 when a scan's header has numbers that sequential JPEGs do not have
  uint32_t lost_rows;              ///< JPEG: rows at the bottom for which coded data is missing, all or in part
  uint32_t block_rows;             ///< JPEG: rows of pixels that are coded together
  uint16_t greatest, used;         ///< 16-bit PNG: the greatest colour value, and the bits that any value has set
  int doubled;                     ///< 16-bit PNG: 1 when in every value both bytes are the same
};

int u2pl_jpeg_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message);

/// Decodes into `pixels`, height · width · `channels` bytes: 3 of colour, or 1 of a grey image. Coded data that is wrong is an error, though
/// libjpeg only warns of it. Data that ends early is none: libjpeg fills the rest with grey, and the report says how
/// much that is.
int u2pl_jpeg_decode(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report);

int u2pl_png_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message);

/// Decodes into `pixels`. With `channels` 3: palette and grey become colours, alpha is dropped, of 16 bits the high 8
/// are kept. With `channels` 1: indices or grey values as stored, unpacked to a byte each and never scaled; the file
/// must have one channel of at most 8 bits.
int u2pl_png_decode(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report);

/// Decodes whole into `pixels`: values of 16 bits in this machine's order of bytes where the file has them, else of 8. A
/// palette becomes 3 channels. `channels` is what the file has, or 1 or 3 to drop alpha, or 3 to have grey three times.
int u2pl_png_decode_whole(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels,
    struct u2pl_image_report *report);

/// A PNG that is written row by row, so that a large picture need not be in memory.
struct u2pl_png_writer;

/// Returns NULL for want of memory. The file stays the caller's.
struct u2pl_png_writer *u2pl_png_begin(int descriptor);

/// Writes all that comes before the rows. `channels` is 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha, `bits` 8 or
/// 16; 1 and 8 for indices when `palette` holds `palette_size` RGB triples.
int u2pl_png_head(
    struct u2pl_png_writer *writer, uint32_t width, uint32_t height, int channels, int bits, const uint8_t *palette,
    int palette_size);

/// Writes the next rows; values of 16 bits in this machine's order of bytes.
int u2pl_png_rows(struct u2pl_png_writer *writer, const uint8_t *pixels, uint32_t count);

/// Writes the end. Nothing may follow but `u2pl_png_free`.
int u2pl_png_end(struct u2pl_png_writer *writer);

/// What the last call that returned 1 has to say.
const char *u2pl_png_message(const struct u2pl_png_writer *writer);

void u2pl_png_free(struct u2pl_png_writer *writer);

#endif
