#define _GNU_SOURCE
#include "parallel.h"

#include <sched.h>

// libgomp's entry points, declared here because clang's <omp.h> belongs to another runtime (libomp).
extern void GOMP_parallel(void (*fn)(void *), void *data, unsigned threads, unsigned flags);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_max_threads(void);
extern void omp_set_num_threads(int);

struct work {
  long count;
  void (*body)(void *, long);
  void *context;
};

static void run_share(void *data) {
  const struct work *w = data;
  long threads = omp_get_num_threads(), me = omp_get_thread_num();
  long begin = w->count * me / threads, end = w->count * (me + 1) / threads;
  for (long i = begin; i < end; i++) w->body(w->context, i);
}

void u2pl_parallel_for(long count, void (*body)(void *, long), void *context) {
  struct work w = {count, body, context};
  int threads = omp_get_max_threads();
  if (threads > count) threads = (int)count;
  if (threads <= 1) {
    for (long i = 0; i < count; i++) body(context, i);
    return;
  }
  GOMP_parallel(run_share, &w, (unsigned)threads, 0);
}

int u2pl_threads(void) { return omp_get_max_threads(); }
void u2pl_set_threads(int threads) { omp_set_num_threads(threads); }

int u2pl_affinity(unsigned char *mask, int bytes) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set)) return -1;
  for (int i = 0; i < CPU_SETSIZE && i < bytes * 8; i++)
    if (CPU_ISSET(i, &set)) mask[i / 8] |= (unsigned char)(1u << (i % 8));
  return 0;
}

int u2pl_set_affinity(const unsigned char *mask, int bytes) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE && i < bytes * 8; i++)
    if (mask[i / 8] >> (i % 8) & 1) CPU_SET(i, &set);
  return sched_setaffinity(0, sizeof set, &set);
}
