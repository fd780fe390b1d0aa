#ifndef U2PL_NIFTI_H
#define U2PL_NIFTI_H

#include <stddef.h>
#include <stdint.h>

// The NIfTI library reads whole files by their names, prints to stderr, and trusts the sizes in a header. So it is given
// one thing to do: to turn the 348 or 540 bytes of a header, once their numbers are known to be sane, into what they mean.
// Voxels are read through zlib, which reads files that are not compressed as well.

enum { U2PL_NIFTI_MESSAGE = 256, U2PL_NIFTI_LARGEST_HEADER = 540 };

/// What a header of NIfTI-1 or NIfTI-2 says.
struct u2pl_nifti {
  int version;         ///< 1 or 2
  int swapped;         ///< 1 when numbers have the other byte order than this machine's
  int64_t extent[7];   ///< dim[1] to dim[7]; 1 for those that the image does not have
  int datatype;        ///< a DT_ code
  int64_t data_offset; ///< where the voxels begin, once the file is decompressed
  double slope, inter; ///< scl_slope and scl_inter; 1 and 0 where a slope of 0 says that there are none
  double spacing[3];   ///< along the first three axes, mm; 0 where the header has none
  int slice_axis;      ///< 1, 2 or 3 where the header says along which axis slices were taken, else 0
  int direction[3];    ///< NIFTI_L2R … NIFTI_S2I of the first three axes; 0 where the header does not say
};

/// Reads a header. `bytes` is the beginning of the file, decompressed. Returns 0, or 1 after putting what is wrong into
/// `message`, of U2PL_NIFTI_MESSAGE characters, so that it follows "file: ".
int u2pl_nifti_header(const uint8_t *bytes, size_t size, struct u2pl_nifti *header, char *message);

/// Makes the header of a mask from an image's: one byte a voxel, no scale, `extent` along the first three axes and none
/// behind, voxels behind the header. Position and directions in space stay. `bytes` has the image's header, which
/// `u2pl_nifti_header` has accepted, and is changed in place. Returns the header's length in the file.
size_t u2pl_nifti_mask_header(uint8_t *bytes, const int64_t extent[3]);

/// Makes the header of a new NIfTI-1 file with three axes, of 348 bytes and four for no extension, in `bytes`. Spacing is in mm; the
/// axes run to the left of a patient, to the back, and upwards.
void u2pl_nifti_new_header(uint8_t *bytes, const int64_t extent[3], const double spacing[3], int datatype);

/// A file that zlib reads or writes.
struct u2pl_gzip;

/// Returns NULL, with errno, where the file cannot be opened. The descriptor stays the caller's.
struct u2pl_gzip *u2pl_gzip_read(int descriptor);

/// Compressed with level 6, without a time or a name, so that equal contents give equal files; or as it is.
struct u2pl_gzip *u2pl_gzip_write(int descriptor, int compressed);

/// Goes to a place of the decompressed bytes. Returns 0, or 1.
int u2pl_gzip_seek(struct u2pl_gzip *file, int64_t offset);

/// Returns how many of the bytes were read: fewer at the end of the file; −1 where compressed data is damaged or cut short.
int64_t u2pl_gzip_take(struct u2pl_gzip *file, void *bytes, size_t size);

/// Returns 0, or 1.
int u2pl_gzip_put(struct u2pl_gzip *file, const void *bytes, size_t size);

/// Closes; after writing, returns 1 where that failed.
int u2pl_gzip_close(struct u2pl_gzip *file);

#endif
