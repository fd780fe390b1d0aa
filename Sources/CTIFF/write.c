#include "file.h"

#include <string.h>

// Tags of GeoTIFF and GDAL, which libtiff does not know: where on Earth an image lies, and which value means nothing.
static const TIFFFieldInfo earth[] = {
    {33550, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, "ModelPixelScaleTag"},
    {33922, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, "ModelTiepointTag"},
    {34264, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, "ModelTransformationTag"},
    {34735, -1, -1, TIFF_SHORT, FIELD_CUSTOM, 1, 1, "GeoKeyDirectoryTag"},
    {34736, -1, -1, TIFF_DOUBLE, FIELD_CUSTOM, 1, 1, "GeoDoubleParamsTag"},
    {34737, -1, -1, TIFF_ASCII, FIELD_CUSTOM, 1, 0, "GeoAsciiParamsTag"},
};
enum { EARTH_TAGS = sizeof earth / sizeof *earth };

// How a tag is given depends on whether libtiff knows it: those it does not know come with their count.
static void carry(TIFF *from, TIFF *to, const TIFFFieldInfo *tag) {
  const TIFFField *field = TIFFFindField(from, tag->field_tag, TIFF_ANY);
  if (!field || TIFFFieldDataType(field) != tag->field_type || !TIFFFieldPassCount(field)) return;
  void *values = NULL;
  uint32_t count = 0;
  if (TIFFFieldReadCount(field) == TIFF_VARIABLE2) {
    if (!TIFFGetField(from, tag->field_tag, &count, &values)) return;
  } else {
    uint16_t few = 0;
    if (!TIFFGetField(from, tag->field_tag, &few, &values)) return;
    count = few;
  }
  if (!values || count == 0) return;
  if (tag->field_type == TIFF_ASCII) {
    // A text that is not ended would be read past its end.
    if (memchr(values, 0, count)) TIFFSetField(to, tag->field_tag, (const char *)values);
  } else if (count <= UINT16_MAX) {
    TIFFSetField(to, tag->field_tag, (int)count, values);
  }
}

int u2pl_tiff_page_write(
    struct u2pl_tiff *file, struct u2pl_tiff *source, uint32_t width, uint32_t height, const uint8_t *pixels,
    uint32_t number, uint32_t count) {
  TIFF *tiff = file->tiff;
  if (!tiff) return file->failed ? 1 : u2pl_tiff_refuse(file, "cannot be opened");
  file->failed = 0;
  // About 64 KiB a strip, which readers of a part of the image take whole.
  uint32_t rows = width >= 1 << 16 ? 1 : (1 << 16) / width;
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, width);
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, height);
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 8);
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, rows);
  if (count > 1) {
    TIFFSetField(tiff, TIFFTAG_SUBFILETYPE, FILETYPE_PAGE);
    if (count <= UINT16_MAX) TIFFSetField(tiff, TIFFTAG_PAGENUMBER, (int)number, (int)count);
  }
  if (source && source->tiff) {
    TIFFMergeFieldInfo(tiff, earth, EARTH_TAGS);
    for (int i = 0; i < EARTH_TAGS; i++) carry(source->tiff, tiff, &earth[i]);
    uint16_t unit;
    float x, y;
    if (TIFFGetField(source->tiff, TIFFTAG_XRESOLUTION, &x) && TIFFGetField(source->tiff, TIFFTAG_YRESOLUTION, &y) &&
        x > 0 && y > 0 && TIFFGetFieldDefaulted(source->tiff, TIFFTAG_RESOLUTIONUNIT, &unit)) {
      TIFFSetField(tiff, TIFFTAG_XRESOLUTION, x);
      TIFFSetField(tiff, TIFFTAG_YRESOLUTION, y);
      TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, unit);
    }
  }
  for (uint32_t y = 0; y < height; y += rows) {
    uint32_t left = height - y < rows ? height - y : rows;
    tmsize_t size = (tmsize_t)left * width;
    if (TIFFWriteEncodedStrip(tiff, TIFFComputeStrip(tiff, y, 0), (void *)(pixels + (size_t)y * width), size) != size)
      return file->failed ? 1 : u2pl_tiff_refuse(file, "cannot be written");
  }
  if (!TIFFWriteDirectory(tiff) || file->failed) return file->failed ? 1 : u2pl_tiff_refuse(file, "cannot be written");
  return 0;
}
