#ifndef U2PL_CFILES_SHIM_H
#define U2PL_CFILES_SHIM_H

#include <sys/syscall.h>
#include <unistd.h>

// fallocate is a GNU extension that Swift's module of the C library leaves out, and posix_fallocate writes every block where
// the file system cannot do it.
static inline int u2pl_fallocate(int descriptor, long long bytes) {
  return (int)syscall(SYS_fallocate, descriptor, 0, 0LL, bytes);
}

#endif
