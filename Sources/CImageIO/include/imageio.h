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

int u2pl_jpeg_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message);

/// Decodes into `pixels`, height · width · 3 bytes as given by the header. What libjpeg only warns of (it fills the
/// rest with grey) is an error here, except remarks that do not concern pixels.
int u2pl_jpeg_decode(const uint8_t *data, size_t size, uint32_t width, uint32_t height, uint8_t *pixels, char *message);

int u2pl_png_header(const uint8_t *data, size_t size, struct u2pl_image_header *header, char *message);

/// Decodes into `pixels`. With `channels` 3: palette and grey become colours, alpha is dropped, of 16 bits the high 8
/// are kept. With `channels` 1: indices or grey values as stored, unpacked to a byte each and never scaled; the file
/// must have one channel of at most 8 bits.
int u2pl_png_decode(
    const uint8_t *data, size_t size, int channels, uint32_t width, uint32_t height, uint8_t *pixels, char *message);

/// Encodes 8-bit pixels: `channels` 3 for colour, 1 for grey, or for indices when `palette` holds `palette_size` RGB
/// triples. The caller frees `*file`.
int u2pl_png_encode(
    const uint8_t *pixels, uint32_t width, uint32_t height, int channels, const uint8_t *palette, int palette_size,
    uint8_t **file, size_t *size, char *message);

#endif
