#include "engine.h"

#include "onednn.h"

#include <stdio.h>

dnnl_engine_t u2pl_engine;
dnnl_stream_t u2pl_stream;
static char problem[256];

int u2pl_failed(dnnl_status_t status, const char *what) {
  if (status == dnnl_success) return 0;
  snprintf(problem, sizeof problem, "%s failed with oneDNN status %d", what, (int)status);
  return 1;
}

int u2pl_engine_start(void) {
  if (u2pl_stream) return 0;
  return u2pl_failed(dnnl_engine_create(&u2pl_engine, dnnl_cpu, 0), "dnnl_engine_create") ||
         u2pl_failed(dnnl_stream_create(&u2pl_stream, u2pl_engine, dnnl_stream_default_flags), "dnnl_stream_create");
}

const char *u2pl_onednn_error(void) { return problem; }

const char *u2pl_onednn_version(void) {
  static char text[32];
  const dnnl_version_t *v = dnnl_version();
  snprintf(text, sizeof text, "%d.%d.%d", v->major, v->minor, v->patch);
  return text;
}

const char *u2pl_onednn_isa(void) {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41: return "sse41";
    case dnnl_cpu_isa_avx: return "avx";
    case dnnl_cpu_isa_avx2: return "avx2";
    case dnnl_cpu_isa_avx512_core: return "avx512_core";
    case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
    case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
    default: return "other";
  }
}
