#include "nifti.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <nifti/nifti2_io.h>

static int refuse(char *message, const char *text) {
  snprintf(message, U2PL_NIFTI_MESSAGE, "%s", text);
  return 1;
}

static int16_t swapped16(int16_t value) { return (int16_t)__builtin_bswap16((uint16_t)value); }
static int32_t swapped32(int32_t value) { return (int32_t)__builtin_bswap32((uint32_t)value); }
static int64_t swapped64(int64_t value) { return (int64_t)__builtin_bswap64((uint64_t)value); }

static float swapped_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits = __builtin_bswap32(bits);
  memcpy(&value, &bits, 4);
  return value;
}

// dim[0] axes, of which each has an extent. The library multiplies them without looking.
static int check_extents(const int64_t *dim, struct u2pl_nifti *header, char *message) {
  if (dim[0] < 1 || dim[0] > 7) return refuse(message, "its header has an impossible number of axes; copy or export it again");
  for (int i = 1; i <= 7; i++) {
    header->extent[i - 1] = i <= dim[0] ? dim[i] : 1;
    if (header->extent[i - 1] < 1 || header->extent[i - 1] > INT32_MAX)
      return refuse(message, "its header has an axis of an impossible length; copy or export it again");
  }
  return 0;
}

// The library prints that it does not know a type, whatever it is told about printing.
static int check_type(int datatype, char *message) {
  int bytes = 0, swapped = 0;
  nifti_datatype_sizes(datatype, &bytes, &swapped);
  return bytes > 0 ? 0 : refuse(message, "its header names an unknown type of voxels; copy or export it again");
}

static int check_offset(double offset, size_t least, struct u2pl_nifti *header, char *message) {
  if (!(offset == 0 || (offset >= (double)least && offset < 0x1p40)) || offset != floor(offset))
    return refuse(message, "its header names an impossible place for the voxels; copy or export it again");
  header->data_offset = offset == 0 ? (int64_t)least + 4 : (int64_t)offset;
  return 0;
}

static nifti_image *convert1(const uint8_t *bytes, struct u2pl_nifti *header, char *message) {
  nifti_1_header raw;
  memcpy(&raw, bytes, sizeof raw);
  header->swapped = raw.sizeof_hdr != sizeof raw;
  if (memcmp(raw.magic, "ni1", 4) == 0) {
    refuse(message, "is the header of a pair of files (.hdr and .img); make one file of both: fslchfiletype NIFTI_GZ, or "
                    "nibabel.save(nibabel.load(IN), 'OUT.nii.gz') in Python");
    return NULL;
  }
  if (memcmp(raw.magic, "n+1", 4) != 0) {
    refuse(message, "has the size of a NIfTI header, but not its mark: it is an Analyze 7.5 file, or damaged; convert it to "
                    "NIfTI, or copy it again");
    return NULL;
  }
  int64_t dim[8];
  for (int i = 0; i < 8; i++) dim[i] = header->swapped ? swapped16(raw.dim[i]) : raw.dim[i];
  float offset = header->swapped ? swapped_float(raw.vox_offset) : raw.vox_offset;
  int type = header->swapped ? swapped16(raw.datatype) : raw.datatype;
  if (check_extents(dim, header, message) || check_offset(offset, sizeof raw, header, message) ||
      check_type(type, message))
    return NULL;
  return nifti_convert_n1hdr2nim(raw, NULL);
}

static nifti_image *convert2(const uint8_t *bytes, struct u2pl_nifti *header, char *message) {
  nifti_2_header raw;
  memcpy(&raw, bytes, sizeof raw);
  header->swapped = raw.sizeof_hdr != sizeof raw;
  if (memcmp(raw.magic, "n+2", 4) != 0) {
    refuse(message, "has the size of a NIfTI-2 header, but not its mark: it is damaged, or one of a pair of files; copy or export it again");
    return NULL;
  }
  int64_t dim[8];
  for (int i = 0; i < 8; i++) dim[i] = header->swapped ? swapped64(raw.dim[i]) : raw.dim[i];
  int64_t offset = header->swapped ? swapped64(raw.vox_offset) : raw.vox_offset;
  int type = header->swapped ? swapped16(raw.datatype) : raw.datatype;
  if (check_extents(dim, header, message) || check_offset((double)offset, sizeof raw, header, message) ||
      check_type(type, message))
    return NULL;
  return nifti_convert_n2hdr2nim(raw, NULL);
}

// The library keeps how much it prints in a global variable.
static void be_silent(void) { nifti_set_debug_level(0); }

int u2pl_nifti_header(const uint8_t *bytes, size_t size, struct u2pl_nifti *header, char *message) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, be_silent);
  memset(header, 0, sizeof *header);
  int32_t length = 0;
  if (size >= sizeof(nifti_1_header)) memcpy(&length, bytes, 4);
  int is1 = length == sizeof(nifti_1_header) || swapped32(length) == sizeof(nifti_1_header);
  int is2 = length == sizeof(nifti_2_header) || swapped32(length) == sizeof(nifti_2_header);
  if ((!is1 && !is2) || (is2 && size < sizeof(nifti_2_header)))
    return refuse(message, "is no NIfTI volume, or its header is damaged; copy or download it again");
  header->version = is1 ? 1 : 2;
  message[0] = 0;
  nifti_image *image = is1 ? convert1(bytes, header, message) : convert2(bytes, header, message);
  if (!image) {
    if (!message[0]) refuse(message, "its header is damaged (the NIfTI library refuses it); copy or export it again");
    return 1;
  }
  header->datatype = image->datatype;
  int has_scale = isfinite(image->scl_slope) && image->scl_slope != 0;
  header->slope = has_scale ? image->scl_slope : 1;
  header->inter = has_scale && isfinite(image->scl_inter) ? image->scl_inter : 0;
  double unit = image->xyz_units == NIFTI_UNITS_METER ? 1000 : image->xyz_units == NIFTI_UNITS_MICRON ? 0.001 : 1;
  double spacing[3] = {image->dx, image->dy, image->dz};
  for (int i = 0; i < 3; i++) {
    double length = fabs(spacing[i]) * unit;
    header->spacing[i] = isfinite(length) ? length : 0;
  }
  header->slice_axis = image->slice_dim >= 1 && image->slice_dim <= 3 ? image->slice_dim : 0;
  if (image->sform_code > 0 || image->qform_code > 0) {
    int *d = header->direction;
    nifti_dmat44_to_orientation(image->sform_code > 0 ? image->sto_xyz : image->qto_xyz, &d[0], &d[1], &d[2]);
  }
  nifti_image_free(image);
  return 0;
}

// Puts a number into a header in its byte order.
#define PUT(field, type, swap, value) \
  do { \
    type number = (type)(value); \
    (field) = swapped ? swap(number) : number; \
  } while (0)

// What is said of an image's values is not true of a mask's: offset, limits of display, intent.
#define CLEAR_MEANING(raw) \
  do { \
    (raw).scl_inter = (raw).cal_max = (raw).cal_min = 0; \
    (raw).intent_code = 0; \
    (raw).intent_p1 = (raw).intent_p2 = (raw).intent_p3 = 0; \
    memset((raw).intent_name, 0, sizeof(raw).intent_name); \
  } while (0)

size_t u2pl_nifti_mask_header(uint8_t *bytes, const int64_t extent[3]) {
  int32_t length;
  memcpy(&length, bytes, 4);
  int swapped = length != sizeof(nifti_1_header) && length != sizeof(nifti_2_header);
  if ((swapped ? swapped32(length) : length) == sizeof(nifti_1_header)) {
    nifti_1_header raw;
    memcpy(&raw, bytes, sizeof raw);
    for (int i = 0; i < 8; i++)
      PUT(raw.dim[i], int16_t, swapped16, i == 0 ? 3 : i <= 3 ? extent[i - 1] : 1);
    PUT(raw.datatype, int16_t, swapped16, DT_UINT8);
    PUT(raw.bitpix, int16_t, swapped16, 8);
    PUT(raw.vox_offset, float, swapped_float, sizeof raw + 4);
    PUT(raw.scl_slope, float, swapped_float, 1);
    CLEAR_MEANING(raw);
    memcpy(bytes, &raw, sizeof raw);
    return sizeof raw;
  }
  nifti_2_header raw;
  memcpy(&raw, bytes, sizeof raw);
  for (int i = 0; i < 8; i++)
    PUT(raw.dim[i], int64_t, swapped64, i == 0 ? 3 : i <= 3 ? extent[i - 1] : 1);
  PUT(raw.datatype, int16_t, swapped16, DT_UINT8);
  PUT(raw.bitpix, int16_t, swapped16, 8);
  PUT(raw.vox_offset, int64_t, swapped64, sizeof raw + 4);
  uint64_t one = 0x3FF0000000000000;
  if (swapped) one = __builtin_bswap64(one);
  memcpy(&raw.scl_slope, &one, 8);
  CLEAR_MEANING(raw);
  memcpy(bytes, &raw, sizeof raw);
  return sizeof raw;
}

void u2pl_nifti_new_header(uint8_t *bytes, const int64_t extent[3], const double spacing[3], int datatype) {
  int size = 0, swap = 0;
  nifti_1_header raw;
  memset(&raw, 0, sizeof raw);
  nifti_datatype_sizes(datatype, &size, &swap);
  raw.sizeof_hdr = sizeof raw;
  raw.regular = 'r';
  raw.dim[0] = 3;
  raw.pixdim[0] = 1;
  for (int i = 1; i <= 7; i++) {
    raw.dim[i] = i <= 3 ? (int16_t)extent[i - 1] : 1;
    raw.pixdim[i] = i <= 3 ? (float)spacing[i - 1] : 1;
  }
  raw.datatype = (int16_t)datatype;
  raw.bitpix = (int16_t)(8 * size);
  raw.vox_offset = sizeof raw + 4;
  raw.scl_slope = 1;
  raw.xyzt_units = NIFTI_UNITS_MM;
  raw.sform_code = NIFTI_XFORM_SCANNER_ANAT;
  raw.srow_x[0] = (float)-spacing[0];
  raw.srow_y[1] = (float)-spacing[1];
  raw.srow_z[2] = (float)spacing[2];
  memcpy(raw.magic, "n+1", 4);
  memcpy(bytes, &raw, sizeof raw);
  memset(bytes + sizeof raw, 0, 4);
}
