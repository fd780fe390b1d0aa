#ifndef U2PL_TIFF_FILE_H
#define U2PL_TIFF_FILE_H

#include "tiff_shim.h"

#include <tiffio.h>

enum { U2PL_TIFF_MESSAGE = 256 };

struct u2pl_tiff {
  TIFF *tiff;
  int begun;      // whether the first page has been told
  int failed;     // whether libtiff has reported an error since this was 0
  char message[U2PL_TIFF_MESSAGE];
};

// Puts a sentence into the file's message. Returns 1.
int u2pl_tiff_refuse(struct u2pl_tiff *file, const char *text);

#endif
