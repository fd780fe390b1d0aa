// The files of inputs that the fuzz tests write: each input as its length (32 bits, little-endian) and its bytes.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static long inputs;

static void die(const char *text) {
  fprintf(stderr, "input %ld: %s\n", inputs, text);
  exit(1);
}

static void for_each_input(int count, char **paths, void (*drive)(const uint8_t *bytes, size_t size)) {
  for (int i = 0; i < count; i++) {
    FILE *file = fopen(paths[i], "rb");
    uint8_t length[4];
    if (!file) die(paths[i]);
    while (fread(length, 1, 4, file) == 4) {
      size_t size = length[0] | length[1] << 8 | length[2] << 16 | (size_t)length[3] << 24;
      uint8_t *bytes = malloc(size ? size : 1);
      if (fread(bytes, 1, size, file) != size) die("the file of inputs ends early");
      drive(bytes, size);
      free(bytes);
      inputs++;
    }
    fclose(file);
  }
}
