#include "nifti.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

// The structure of this file's interface is zlib's own.
static gzFile own(struct u2pl_gzip *file) { return (gzFile)file; }

static struct u2pl_gzip *opened(int descriptor, const char *mode) {
  // gzclose closes the descriptor that gzdopen got; a failed gzdopen leaves it open.
  int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return NULL;
  gzFile file = gzdopen(copy, mode);
  if (!file) {
    close(copy);
    errno = ENOMEM;
    return NULL;
  }
  gzbuffer(file, 1 << 17);
  return (struct u2pl_gzip *)file;
}

struct u2pl_gzip *u2pl_gzip_read(int descriptor) { return opened(descriptor, "rb"); }

struct u2pl_gzip *u2pl_gzip_write(int descriptor, int compressed) { return opened(descriptor, compressed ? "wb6" : "wbT"); }

int u2pl_gzip_seek(struct u2pl_gzip *file, int64_t offset) { return gzseek(own(file), offset, SEEK_SET) != offset; }

int64_t u2pl_gzip_take(struct u2pl_gzip *file, void *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t left = size - done;
    int got = gzread(own(file), (uint8_t *)bytes + done, left < (1 << 30) ? (unsigned)left : 1 << 30);
    if (got < 0) return -1;
    if (got == 0) {
      // Compressed data that ends in the middle is told by the code, not by the count.
      int code;
      gzerror(own(file), &code);
      if (code != Z_OK && code != Z_STREAM_END) return -1;
      break;
    }
    done += (size_t)got;
  }
  return (int64_t)done;
}

int u2pl_gzip_put(struct u2pl_gzip *file, const void *bytes, size_t size) {
  size_t done = 0;
  while (done < size) {
    size_t left = size - done;
    int put = gzwrite(own(file), (const uint8_t *)bytes + done, left < (1 << 30) ? (unsigned)left : 1 << 30);
    if (put <= 0) return 1;
    done += (size_t)put;
  }
  return 0;
}

int u2pl_gzip_close(struct u2pl_gzip *file) { return gzclose(own(file)) != Z_OK; }
