#ifndef U2PL_ENGINE_H
#define U2PL_ENGINE_H

// What the shim's files share; not part of its interface.

#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR != 2 && DNNL_VERSION_MAJOR != 3
#error "this shim speaks oneDNN 2.6 to 3.x; descriptors3.c is where a later version belongs"
#endif
#if DNNL_VERSION_MAJOR == 2 && DNNL_VERSION_MINOR < 6
#error "this oneDNN is older than 2.6; install 2.6 or later (Debian: libdnnl-dev, Spack and conda: onednn)"
#endif

extern dnnl_engine_t u2pl_engine;
extern dnnl_stream_t u2pl_stream;

/// Creates engine and stream when first called; 0, or 1 on failure.
int u2pl_engine_start(void);
/// 0 on success; else keeps "`what` failed" for `u2pl_onednn_error` and gives 1.
int u2pl_failed(dnnl_status_t status, const char *what);

#endif
