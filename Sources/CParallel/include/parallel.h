#ifndef U2PL_PARALLEL_H
#define U2PL_PARALLEL_H

/// Calls `body(context, i)` for every i in 0..<count on the threads of libgomp, the pool oneDNN computes on too:
/// a second pool beside it (Dispatch, pthreads) would fight it for the same cores. Returns when all calls have returned.
void u2pl_parallel_for(long count, void (*body)(void *context, long index), void *context);

/// Threads that `u2pl_parallel_for` and oneDNN use.
int u2pl_threads(void);
void u2pl_set_threads(int threads);

#endif
