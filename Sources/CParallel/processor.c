#include "parallel.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

int u2pl_processor_suffices(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#else
  return 1;
#endif
}

void u2pl_processor_name(char name[49]) {
  memset(name, 0, 49);
#if defined(__x86_64__)
  // The brand string: three leaves of sixteen characters each.
  for (unsigned leaf = 0; leaf < 3; leaf++) {
    unsigned words[4];
    if (!__get_cpuid(0x80000002u + leaf, &words[0], &words[1], &words[2], &words[3])) return;
    memcpy(name + 16 * leaf, words, sizeof words);
  }
#endif
}
