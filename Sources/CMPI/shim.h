#ifndef U2PL_CMPI_SHIM_H
#define U2PL_CMPI_SHIM_H

#include <mpi.h>

// Handles that mpi.h defines as macros over casts, which Swift cannot import: one accessor each.
static inline MPI_Comm u2pl_comm_world(void) { return MPI_COMM_WORLD; }
static inline MPI_Comm u2pl_comm_null(void) { return MPI_COMM_NULL; }
static inline MPI_Info u2pl_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype u2pl_type_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype u2pl_type_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype u2pl_type_double(void) { return MPI_DOUBLE; }
static inline MPI_Datatype u2pl_type_int64(void) { return MPI_INT64_T; }
static inline MPI_Op u2pl_op_sum(void) { return MPI_SUM; }
static inline MPI_Op u2pl_op_min(void) { return MPI_MIN; }
static inline MPI_Op u2pl_op_max(void) { return MPI_MAX; }
static inline void *u2pl_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Status *u2pl_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Status *u2pl_statuses_ignore(void) { return MPI_STATUSES_IGNORE; }
static inline MPI_Request u2pl_request_null(void) { return MPI_REQUEST_NULL; }
static inline MPI_Errhandler u2pl_errors_return(void) { return MPI_ERRORS_RETURN; }

// Whether a process that waits lets go of its core, as the library has it: 1, 0, or -1 where it does not say.
static inline int u2pl_yields(void) {
  int provided, index, count, value = -1;
  MPI_T_cvar_handle handle;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return -1;
  if (MPI_T_cvar_get_index("mpi_yield_when_idle", &index) == MPI_SUCCESS &&
      MPI_T_cvar_handle_alloc(index, NULL, &handle, &count) == MPI_SUCCESS) {
    int buffer[8] = {0};  // the library writes a byte of it
    if (count == 1 && MPI_T_cvar_read(handle, buffer) == MPI_SUCCESS) value = buffer[0];
    MPI_T_cvar_handle_free(&handle);
  }
  MPI_T_finalize();
  return value;
}

#endif
