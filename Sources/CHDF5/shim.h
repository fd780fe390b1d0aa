#ifndef U2PL_CHDF5_SHIM_H
#define U2PL_CHDF5_SHIM_H

// What Swift cannot import from hdf5.h: macros that call H5open() first, macros that are aliases of versioned
// functions, and callbacks whose structures differ between HDF5 releases.

#include <hdf5.h>
#include <stddef.h>
#include <stdio.h>

// The default property list is a plain 0 in some releases and a cast in others: one type for all of them.
static inline hid_t u2pl_h5p_default(void) { return H5P_DEFAULT; }

// Property list classes are macros that open the library before they read a global.
static inline hid_t u2pl_h5p_file_create(void) { return H5P_FILE_CREATE; }
static inline hid_t u2pl_h5p_file_access(void) { return H5P_FILE_ACCESS; }
static inline hid_t u2pl_h5p_group_create(void) { return H5P_GROUP_CREATE; }
static inline hid_t u2pl_h5p_dataset_create(void) { return H5P_DATASET_CREATE; }
static inline hid_t u2pl_h5p_link_create(void) { return H5P_LINK_CREATE; }

// "The whole dataset", a macro with a cast.
static inline hid_t u2pl_h5s_all(void) { return H5S_ALL; }

// File access flags are macros that open the library first.
static inline unsigned u2pl_h5f_acc_rdonly(void) { return H5F_ACC_RDONLY; }
static inline unsigned u2pl_h5f_acc_trunc(void) { return H5F_ACC_TRUNC; }

// Predefined types are macros that open the library before they read a global.
static inline hid_t u2pl_h5t_native_float(void) { return H5T_NATIVE_FLOAT; }
static inline hid_t u2pl_h5t_native_double(void) { return H5T_NATIVE_DOUBLE; }
static inline hid_t u2pl_h5t_native_int32(void) { return H5T_NATIVE_INT32; }
static inline hid_t u2pl_h5t_native_int64(void) { return H5T_NATIVE_INT64; }
static inline hid_t u2pl_h5t_native_uint8(void) { return H5T_NATIVE_UINT8; }
static inline hid_t u2pl_h5t_native_int16(void) { return H5T_NATIVE_INT16; }
static inline hid_t u2pl_h5t_native_uint16(void) { return H5T_NATIVE_UINT16; }
static inline hid_t u2pl_h5t_c_s1(void) { return H5T_C_S1; }

// The length of a variable-length string is a cast of -1.
static inline size_t u2pl_h5t_variable(void) { return H5T_VARIABLE; }

// The error stack of the calling thread is a macro; the printing switch takes a function pointer that must be NULL.
static inline herr_t u2pl_h5e_be_silent(void) { return H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

// Locks are of no use here (a file is complete before it gets its name) and fail on file systems without flock.
// Releases before 1.10.7 and 1.12.1 lack the call; there HDF5_USE_FILE_LOCKING=FALSE does the same.
static inline herr_t u2pl_h5p_no_file_locking(hid_t access) {
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  return H5Pset_file_locking(access, 0, 1);
#else
  return 0;
#endif
}

// The innermost entry of the error stack says what happened; the callback's structure holds C strings that live only
// as long as the call, so they are copied here.
struct u2pl_h5e_text { char *buffer; size_t capacity; };

static inline herr_t u2pl_h5e_copy_first(unsigned depth, const H5E_error2_t *entry, void *context) {
  struct u2pl_h5e_text *text = (struct u2pl_h5e_text *)context;
  if (depth == 0) snprintf(text->buffer, text->capacity, "%s", entry->desc ? entry->desc : "");
  return 0;
}

static inline void u2pl_h5e_innermost(char *buffer, size_t capacity) {
  struct u2pl_h5e_text text = {buffer, capacity};
  buffer[0] = 0;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, u2pl_h5e_copy_first, &text);
}

// H5Literate is an alias of H5Literate1 or 2 from 1.12 on, with another structure: only the name is passed on, and
// whether the link is a hard one.
typedef int (*u2pl_h5l_visitor)(void *context, const char *name, int hard);
struct u2pl_h5l_visit { u2pl_h5l_visitor visitor; void *context; };

#if H5_VERSION_GE(1, 12, 0)
static inline herr_t u2pl_h5l_forward(hid_t group, const char *name, const H5L_info2_t *info, void *context) {
#else
static inline herr_t u2pl_h5l_forward(hid_t group, const char *name, const H5L_info_t *info, void *context) {
#endif
  struct u2pl_h5l_visit *visit = (struct u2pl_h5l_visit *)context;
  (void)group;
  return visit->visitor(visit->context, name, info->type == H5L_TYPE_HARD);
}

static inline herr_t u2pl_h5l_each(hid_t group, u2pl_h5l_visitor visitor, void *context) {
  struct u2pl_h5l_visit visit = {visitor, context};
  hsize_t index = 0;
#if H5_VERSION_GE(1, 12, 0)
  return H5Literate2(group, H5_INDEX_NAME, H5_ITER_INC, &index, u2pl_h5l_forward, &visit);
#else
  return H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, &index, u2pl_h5l_forward, &visit);
#endif
}

#endif
