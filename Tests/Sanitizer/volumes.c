// Drives the C code that reads TIFF and NIfTI over files of inputs, under AddressSanitizer and UndefinedBehaviorSanitizer:
// Scripts/sanitize builds and runs it. The inputs are those of DamageTests. libtiff, zlib and the NIfTI library are not instrumented; what they copy into this program's memory is looked at.
#define _GNU_SOURCE
#include "nifti.h"
#include "inputs.h"
#include "tiff_shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static long decoded, refused, large;

static int file_of(const uint8_t *bytes, size_t size) {
  int descriptor = memfd_create("input", 0);
  if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size) die("no memory");
  lseek(descriptor, 0, SEEK_SET);
  return descriptor;
}

static void drive_tiff(const uint8_t *bytes, size_t size) {
  enum { PAGES = 64 };
  struct u2pl_tiff_page pages[PAGES];
  int descriptor = file_of(bytes, size), count = 0, end = 0;
  struct u2pl_tiff *file = u2pl_tiff_read(descriptor, "input", 64 << 20);
  if (!file) die("no memory");
  while (count < PAGES && (end = u2pl_tiff_next(file, &pages[count])) == 0) count++;
  if (end > 0 && strlen(u2pl_tiff_message(file)) == 0) die("a failure without a message");
  for (int i = 0; i < count; i++) {
    struct u2pl_tiff_page *page = &pages[i];
    uint64_t values = (uint64_t)page->width * page->height;
    // As TIFFReader does, which decodes whole bytes of sizes that it has looked at.
    if (page->bits % 8 != 0 || page->samples == 0 || values == 0 || values > (1 << 24) / page->samples || page->bits > 64) {
      large++;
      continue;
    }
    uint64_t needed = values * page->samples * (page->bits / 8);
    uint8_t *pixels = calloc(1, needed ? needed : 1);
    int failed = needed == 0 || u2pl_tiff_decode(file, page, pixels, needed, needed + (1 << 20));
    failed ? refused++ : decoded++;
    free(pixels);
  }
  // The tags of any file that can be opened go into another.
  int target = memfd_create("output", 0);
  struct u2pl_tiff *out = u2pl_tiff_write(target, "output", 0);
  uint8_t mask[12] = {0};
  if (!out || u2pl_tiff_page_write(out, file, 4, 3, mask, 0, 1) != 0) refused++;
  u2pl_tiff_close(out);
  u2pl_tiff_close(file);
  close(target);
  close(descriptor);
  if (count == 0) refused++;
}

static void drive_nifti(const uint8_t *bytes, size_t size) {
  int descriptor = file_of(bytes, size);
  struct u2pl_gzip *file = u2pl_gzip_read(descriptor);
  if (!file) die("no memory");
  uint8_t *start = malloc(U2PL_NIFTI_LARGEST_HEADER);
  int64_t got = u2pl_gzip_take(file, start, U2PL_NIFTI_LARGEST_HEADER);
  struct u2pl_nifti header;
  char message[U2PL_NIFTI_MESSAGE];
  // Ends where the bytes end, so that nothing behind them is read.
  uint8_t *head = malloc(got > 0 ? (size_t)got : 1);
  memcpy(head, start, got > 0 ? (size_t)got : 0);
  if (got < 0 || u2pl_nifti_header(head, (size_t)got, &header, message)) {
    refused++;
  } else {
    u2pl_gzip_seek(file, header.data_offset);
    uint8_t voxels[4096];
    got = u2pl_gzip_take(file, voxels, sizeof voxels);
    int64_t extent[3] = {header.extent[0] & 0x7FFF, 2, 3};
    size_t length = u2pl_nifti_mask_header(head, extent);
    struct u2pl_nifti mask;
    uint8_t whole[U2PL_NIFTI_LARGEST_HEADER] = {0};
    memcpy(whole, head, length);
    if (extent[0] > 0 && u2pl_nifti_header(whole, sizeof whole, &mask, message)) die("a mask's header is refused");
    got < 0 ? refused++ : decoded++;
  }
  free(head);
  free(start);
  u2pl_gzip_close(file);
  close(descriptor);
}

static void drive(const uint8_t *bytes, size_t size) {
  drive_tiff(bytes, size);
  drive_nifti(bytes, size);
}

int main(int count, char **paths) {
  for_each_input(count - 1, paths + 1, drive);
  printf("%ld inputs: %ld decoded, %ld refused, %ld too large to try\n", inputs, decoded, refused, large);
  // Fewer would mean that DamageTests has not written what it tries.
  return inputs < 400 || decoded < 20 || refused < 200;
}
