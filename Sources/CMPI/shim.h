#ifndef U2PL_CMPI_SHIM_H
#define U2PL_CMPI_SHIM_H

#include <mpi.h>
#include <stddef.h>

#if defined(OPEN_MPI)
#define U2PL_IS_MPICH 0
#elif defined(MPICH_NUMVERSION) || defined(MPICH_VERSION) || defined(I_MPI_VERSION) || defined(MVAPICH2_VERSION)
#define U2PL_IS_MPICH 1
#else
#error "u2pl knows the MPI of Open MPI and of MPICH (and those that share its ABI: Intel MPI, Cray MPICH, MVAPICH)"
#endif

// Handles are pointers in Open MPI and ints in MPICH, which Swift takes for an optional and for none. What MPI writes a
// handle to is the `value` of one of these, so that one source does for both.
typedef struct { MPI_Comm value; } u2pl_comm;
typedef struct { MPI_Win value; } u2pl_win;
typedef struct { MPI_Datatype value; } u2pl_type;
typedef struct { MPI_Request value; } u2pl_request;

// Constants that mpi.h defines as macros over casts, which Swift cannot import: one accessor each.
static inline MPI_Comm u2pl_comm_world(void) { return MPI_COMM_WORLD; }
static inline u2pl_comm u2pl_comm_null(void) { return (u2pl_comm){MPI_COMM_NULL}; }
static inline u2pl_win u2pl_win_null(void) { return (u2pl_win){MPI_WIN_NULL}; }
static inline u2pl_type u2pl_type_null(void) { return (u2pl_type){MPI_DATATYPE_NULL}; }
static inline u2pl_request u2pl_request_null(void) { return (u2pl_request){MPI_REQUEST_NULL}; }
static inline MPI_Info u2pl_info_null(void) { return MPI_INFO_NULL; }
static inline MPI_Datatype u2pl_type_byte(void) { return MPI_BYTE; }
static inline MPI_Datatype u2pl_type_float(void) { return MPI_FLOAT; }
static inline MPI_Datatype u2pl_type_int64(void) { return MPI_INT64_T; }
static inline MPI_Op u2pl_op_sum(void) { return MPI_SUM; }
static inline MPI_Op u2pl_op_min(void) { return MPI_MIN; }
static inline MPI_Op u2pl_op_max(void) { return MPI_MAX; }
static inline void *u2pl_in_place(void) { return MPI_IN_PLACE; }
static inline MPI_Status *u2pl_status_ignore(void) { return MPI_STATUS_IGNORE; }
static inline MPI_Errhandler u2pl_errors_return(void) { return MPI_ERRORS_RETURN; }

// An array of those structures is an array of their only member.
static inline int u2pl_testall(int count, u2pl_request *requests, int *flag) {
  return MPI_Testall(count, (MPI_Request *)requests, flag, MPI_STATUSES_IGNORE);
}
static inline int u2pl_waitall(int count, u2pl_request *requests) {
  return MPI_Waitall(count, (MPI_Request *)requests, MPI_STATUSES_IGNORE);
}

// The binary interface this is compiled for: 0 Open MPI's, 1 MPICH's.
static inline int u2pl_is_mpich(void) { return U2PL_IS_MPICH; }

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
