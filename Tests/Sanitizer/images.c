// Drives the image decoders over files of inputs, under AddressSanitizer and UndefinedBehaviorSanitizer: Scripts/sanitize builds
// and runs it. The inputs are those of the fuzz tests.
//
// libjpeg and libpng are not instrumented. So inputs end, and pixels end, at a page that may not be touched, and what lies before
// the pixels is looked at afterwards; the same once more on the heap, where the sanitizer watches our own code.
#define _GNU_SOURCE
#include "imageio.h"
#include "inputs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, CANARY = 256, PIXELS = 64 << 20, INPUT = 1 << 20 };

static long decoded, refused, large;

// `capacity` bytes that end at a page without access. Returns that end.
static uint8_t *fenced(size_t capacity) {
  uint8_t *begin = mmap(NULL, capacity + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (begin == MAP_FAILED || mprotect(begin + capacity, PAGE, PROT_NONE) != 0) die("no memory");
  return begin + capacity;
}

static int decode(
    int png, const uint8_t *data, size_t size, int channels, const struct u2pl_image_header *header, uint8_t *pixels,
    struct u2pl_image_report *report) {
  return png ? u2pl_png_decode(data, size, channels, header->width, header->height, pixels, report)
             : u2pl_jpeg_decode(data, size, channels, header->width, header->height, pixels, report);
}

// What was decoded, written and read again, has to be the same.
static void round_trip(const uint8_t *pixels, const struct u2pl_image_header *header, int channels) {
  uint8_t palette[768];
  for (int i = 0; i < 768; i++) palette[i] = (uint8_t)(i * 5);
  struct u2pl_image_report report;
  size_t count = (size_t)header->width * header->height * channels;
  int descriptor = memfd_create("png", 0);
  struct u2pl_png_writer *writer = u2pl_png_begin(descriptor);
  if (!writer) die("no memory");
  // In two pieces, where there are two.
  uint32_t half = header->height / 2;
  if (u2pl_png_head(writer, header->width, header->height, channels, 8, channels == 1 ? palette : NULL, 256) ||
      u2pl_png_rows(writer, pixels, half) ||
      u2pl_png_rows(writer, pixels + (size_t)half * header->width * channels, header->height - half) ||
      u2pl_png_end(writer))
    die(u2pl_png_message(writer));
  u2pl_png_free(writer);
  size_t size = (size_t)lseek(descriptor, 0, SEEK_END);
  uint8_t *again = malloc(count), *file = malloc(size);
  if (pread(descriptor, file, size, 0) != (ssize_t)size) die("cannot read what was written");
  if (u2pl_png_decode(file, size, channels, header->width, header->height, again, &report)) die(report.message);
  if (memcmp(pixels, again, count) != 0) die("other pixels after writing and reading them");
  free(again);
  free(file);
  close(descriptor);
}

// A PNG as it is, of any channels and 8 or 16 bits.
static void drive_whole(
    const uint8_t *fence, const uint8_t *heap, size_t size, const struct u2pl_image_header *header, uint8_t *end) {
  int channels = header->palette ? 3 : header->channels;
  size_t count = (size_t)header->width * header->height * channels * (header->bits == 16 ? 2 : 1);
  if (count > PIXELS - CANARY) return;
  uint8_t *pixels = end - count, *copy = malloc(count);
  memset(pixels - CANARY, 0xA5, CANARY);
  struct u2pl_image_report report, again;
  int bad = u2pl_png_decode_whole(fence, size, channels, header->width, header->height, pixels, &report);
  if (bad != u2pl_png_decode_whole(heap, size, channels, header->width, header->height, copy, &again))
    die("another verdict the second time");
  for (int i = 1; i <= CANARY; i++)
    if (pixels[-i] != 0xA5) die("bytes before the whole pixels were written");
  if (!bad && memcmp(pixels, copy, count) != 0) die("other whole pixels the second time");
  free(copy);
}

static void drive(int png, const uint8_t *bytes, size_t size) {
  static uint8_t *input_end, *pixels_end;
  if (!input_end) input_end = fenced(INPUT), pixels_end = fenced(PIXELS);
  if (size > INPUT) die("larger than this program takes");
  // Both ways: at a fence, and on the heap.
  uint8_t *fence = memcpy(input_end - size, bytes, size), *heap = malloc(size ? size : 1);
  memcpy(heap, bytes, size);
  char message[U2PL_MESSAGE_SIZE] = "";
  struct u2pl_image_header header = {0}, other = {0};
  int (*read_header)(const uint8_t *, size_t, struct u2pl_image_header *, char *) =
      png ? u2pl_png_header : u2pl_jpeg_header;
  int failed = read_header(fence, size, &header, message);
  if (failed != read_header(heap, size, &other, message)) die("another header the second time");
  if (failed && !memchr(message, 0, sizeof message)) die("a message without an end");
  if (failed || header.width == 0 || header.height == 0) {
    refused++;
    free(heap);
    return;
  }
  if (png) drive_whole(fence, heap, size, &header, pixels_end);
  for (int channels = 3; channels >= 1; channels -= 2) {
    // As its callers do: masks are PNGs of one channel of at most 8 bits.
    if (channels == 1 && !(png && header.channels == 1 && header.bits <= 8)) continue;
    size_t count = (size_t)header.width * header.height * channels;
    if (count > PIXELS - CANARY) {
      large++;
      continue;
    }
    uint8_t *pixels = pixels_end - count, *copy = malloc(count);
    memset(pixels - CANARY, 0xA5, CANARY);
    struct u2pl_image_report report, again;
    int bad = decode(png, fence, size, channels, &header, pixels, &report);
    if (bad != decode(png, heap, size, channels, &header, copy, &again)) die("another verdict the second time");
    if (bad && !memchr(report.message, 0, sizeof report.message)) die("a message without an end");
    if (report.lost_rows > header.height) die("more rows are lost than there are");
    for (int i = 1; i <= CANARY; i++)
      if (pixels[-i] != 0xA5) die("bytes before the pixels were written");
    if (!bad) {
      if (memcmp(pixels, copy, count) != 0) die("other pixels the second time");
      round_trip(copy, &header, channels);
    }
    bad ? refused++ : decoded++;
    free(copy);
  }
  free(heap);
}

// The decoders are told apart by the first bytes; here each gets everything.
static void drive_both(const uint8_t *bytes, size_t size) {
  for (int png = 0; png < 2; png++) drive(png, bytes, size);
}

int main(int count, char **paths) {
  for_each_input(count - 1, paths + 1, drive_both);
  printf("%ld inputs: %ld decoded, %ld refused, %ld too large to try\n", inputs, decoded, refused, large);
  // Fewer would mean that the fuzz tests have not written what they try.
  return inputs < 5000 || decoded < 200 || refused < 5000;
}
