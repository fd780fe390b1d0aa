#ifndef U2PL_TIFF_H
#define U2PL_TIFF_H

#include <stddef.h>
#include <stdint.h>

// libtiff's fields are read and set by functions of a variable number of arguments, which Swift cannot call; and it
// reports errors by calling back, which is per file here, so that threads do not get each other's. Functions that can
// fail return 1 after putting what is wrong into the file's message, so that it follows "file: ".

struct u2pl_tiff;

/// One image of a file.
struct u2pl_tiff_page {
  uint64_t directory;    ///< where its directory stands in the file
  uint32_t width, height;
  uint32_t samples;      ///< values a pixel, among them alpha
  uint32_t bits;         ///< of a value
  int format;            ///< SAMPLEFORMAT_UINT 1, _INT 2, _IEEEFP 3
  int photometric;       ///< PHOTOMETRIC_…
  int compression;       ///< COMPRESSION_…
  int alpha;             ///< 1 when the last sample is alpha
  int orientation;       ///< 1 for rows from the top, columns from the left
  int reduced;           ///< 1 for a smaller copy of another page, or its transparency mask
};

/// Opens a file for reading; `most` is the most memory that libtiff may take in one piece. The descriptor stays the
/// caller's. Returns NULL for want of memory. Whether the file can be read the next call tells.
struct u2pl_tiff *u2pl_tiff_read(int descriptor, const char *name, uint64_t most);

/// The next page, beginning with the first. Returns −1 after the last.
int u2pl_tiff_next(struct u2pl_tiff *file, struct u2pl_tiff_page *page);

/// Decodes the page whose directory is at `page->directory` into `pixels`, `size` bytes = height · width · samples · bits / 8,
/// the samples of a pixel side by side, in this machine's byte order. A tile or a strip may take `most` bytes.
int u2pl_tiff_decode(
    struct u2pl_tiff *file, const struct u2pl_tiff_page *page, uint8_t *pixels, uint64_t size, uint64_t most);

/// A new file. `big` makes a BigTIFF, for files that may exceed 4 GiB.
struct u2pl_tiff *u2pl_tiff_write(int descriptor, const char *name, int big);

/// Writes one page of 8-bit values of one sample, deflated, with the tags that say where on Earth the first page of
/// `source` lies, how large its pixels are, and its resolution; NULL for none. `number` of `count` pages.
int u2pl_tiff_page_write(
    struct u2pl_tiff *file, struct u2pl_tiff *source, uint32_t width, uint32_t height, const uint8_t *pixels,
    uint32_t number, uint32_t count);

const char *u2pl_tiff_message(const struct u2pl_tiff *file);

/// Closes; what is to be written was written by `u2pl_tiff_page_write`.
void u2pl_tiff_close(struct u2pl_tiff *file);

#endif
