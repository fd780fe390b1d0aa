#ifndef U2PL_PARALLEL_H
#define U2PL_PARALLEL_H

/// Calls `body(context, i)` for every i in 0..<count on the threads of libgomp, the pool oneDNN computes on too:
/// a second pool beside it (Dispatch, pthreads) would fight it for the same cores. Returns when all calls have returned.
void u2pl_parallel_for(long count, void (*body)(void *context, long index), void *context);

/// Threads that `u2pl_parallel_for` and oneDNN use.
int u2pl_threads(void);
void u2pl_set_threads(int threads);

/// Sets bit i of `mask` (zeroed, `bytes` long) for each core i this process may run on. 0, or -1 where the system does
/// not say. glibc declares sched_getaffinity only under _GNU_SOURCE, which Swift's importer does not define.
int u2pl_affinity(unsigned char *mask, int bytes);
/// Has this thread, and those it starts later, run on the cores of `mask`. 0, or -1 where the system refuses.
int u2pl_set_affinity(const unsigned char *mask, int bytes);

/// 1 where the processor has what numeric code is compiled for (Package.swift): on x86, AVX2, FMA and BMI2.
int u2pl_processor_suffices(void);
/// What the processor calls itself, on x86; empty elsewhere.
void u2pl_processor_name(char name[49]);

/// Has malloc keep what is freed, up to 1 GiB, instead of giving it back to the system: of blocks below 32 MiB.
void u2pl_keep_freed_memory(void);

#endif
