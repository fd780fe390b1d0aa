import Foundation
import Transforms
import Volumes
import XCTest

/// NIfTI files against nibabel, in both directions.
final class NIfTITests: VolumesTestCase {
  func testFilesOfNibabelAreReadInEveryVariant() throws {
    try python(
      modules: "nibabel",
      """
      import nibabel as nib
      rng = np.random.default_rng(3)
      affine = np.array([[-0.9, 0, 0, 80], [0, 0.9, 0, -60], [0, 0, 2.5, 10], [0, 0, 0, 1.]])
      def save(name, data, kind=nib.Nifti1Image, swap=False, slope=None, expected=None, **dims):
          header = kind.header_class(endianness='>' if swap else '<')
          header.set_data_dtype(data.dtype)
          image = kind(data, affine, header)
          if dims: image.header.set_dim_info(**dims)
          if slope: image.header.set_slope_inter(*slope)
          nib.save(image, name)
          # What nibabel reads of it.
          read = np.asanyarray(nib.load(name).dataobj) if expected is None else expected
          if read.ndim == 3: read = read[..., None]
          axis = dims.get('slice', 2)
          a, b = [i for i in range(3) if i != axis]
          keep(name, read.transpose(axis, b, a, 3).astype('f4') if slope else read.transpose(axis, b, a, 3))
      for suffix in ('.nii', '.nii.gz'):
          for dtype in ('u1', 'i1', 'i2', 'u2', 'f4'):
              for swap in (False, True):
                  data = rng.integers(0, 100, (7, 5, 4)).astype(dtype) * (-1 if dtype in ('i1', 'i2') else 1)
                  if dtype == 'f4': data = data + np.float32(0.37)
                  save(f'{dtype}-{swap}{suffix}', data.astype(dtype), swap=swap)
          for dtype in ('i4', 'u4', 'i8', 'u8', 'f8'):
              save(f'{dtype}{suffix}', rng.integers(0, 1 << 24, (3, 4, 2)).astype(dtype))
          save('nifti2' + suffix, rng.integers(-900, 900, (6, 5, 3)).astype('i2'), nib.Nifti2Image)
          save('nifti2-swapped' + suffix, rng.integers(-900, 900, (6, 5, 3)).astype('i2'), nib.Nifti2Image, swap=True)
          save('channels' + suffix, rng.integers(-900, 900, (6, 5, 3, 4)).astype('i2'))
          for axis in (0, 1, 2):
              save(f'axis{axis}{suffix}', rng.integers(-900, 900, (6, 5, 3, 2)).astype('i2'), slice=axis)
          save('one-slice' + suffix, rng.integers(0, 900, (6, 5, 1)).astype('i2'))
      # Stored integers with a scale, which nibabel would choose by itself.
      for name, slope, inter in (('scaled', 0.25, -3.0), ('slope', 2.0, 0.0), ('inter', 1.0, -1024.0)):
          data = rng.integers(-900, 900, (6, 5, 3)).astype('i2')
          header = nib.Nifti1Header(); header.set_data_shape(data.shape); header.set_data_dtype('i2')
          header.set_slope_inter(slope, inter)
          header.set_qform(affine, 1)
          with open(name + '.nii', 'wb') as f:
              header['vox_offset'] = 352; header['magic'] = b'n+1'
              f.write(header.binaryblock + bytes(4) + data.tobytes(order='F'))
          assert np.allclose(nib.load(name + '.nii').get_fdata(), data * slope + inter)
          keep(name + '.nii', nib.load(name + '.nii').get_fdata().transpose(2, 1, 0)[..., None])
      rgb = np.zeros((4, 3, 2), [('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
      for i, c in enumerate('RGB'): rgb[c] = rng.integers(0, 255, (4, 3, 2))
      nib.save(nib.Nifti1Image(rgb, affine), 'rgb.nii.gz')
      keep('rgb.nii.gz', np.stack([rgb[c] for c in 'RGB'], -1).transpose(2, 1, 0, 3))
      """)
    try compareKept(atLeast: 48)
    let header = try VolumeFile(path("i2-True.nii.gz")).header
    XCTAssertEqual(header.type, .int16)
    XCTAssertEqual(try XCTUnwrap(header.spacing).slice, 2.5, accuracy: 1e-6)
    XCTAssertEqual(try XCTUnwrap(header.spacing).row, 0.9, accuracy: 1e-6)
    XCTAssertEqual(header.orientation, "slices run upwards, rows to the front, columns to the left")
    XCTAssertEqual(try VolumeFile(path("u2-False.nii")).header.type, .uint16)
    XCTAssertEqual(try VolumeFile(path("scaled.nii")).header.type, .float32)
    let sagittal = try XCTUnwrap(VolumeFile(path("axis0.nii")).header.spacing)
    XCTAssertEqual([sagittal.slice, sagittal.row, sagittal.column].map { ($0 * 10).rounded() }, [9, 25, 9])
  }

  func testNibabelReadsMasksInThePlaceOfTheirImages() throws {
    try python(
      modules: "nibabel",
      """
      import nibabel as nib
      rng = np.random.default_rng(4)
      c = np.cos(0.3); s = np.sin(0.3)
      affine = np.array([[-0.9 * c, 0.7 * s, 0, 80], [0.9 * s, 0.7 * c, 0, -60], [0, 0, 2.5, 10], [0, 0, 0, 1.]])
      for name, kind, swap, axis, shape in (
          ('a.nii.gz', nib.Nifti1Image, False, None, (7, 5, 4)), ('b.nii.gz', nib.Nifti1Image, True, 0, (7, 5, 4, 2)),
          ('c.nii.gz', nib.Nifti2Image, True, 1, (7, 5, 4)), ('d.nii.gz', nib.Nifti2Image, False, 2, (3, 4, 5))):
          header = kind.header_class(endianness='>' if swap else '<')
          header.set_data_dtype('i2')
          image = kind(rng.integers(-9, 9, shape).astype('i2'), affine, header)
          image.set_qform(affine, 1); image.set_sform(affine, 2)
          if axis is not None: image.header.set_dim_info(slice=axis)
          image.header['descrip'] = b'made by a scanner'
          nib.save(image, name)
      """)
    for name in ["a", "b", "c", "d"] {
      let source = try VolumeFile(path("\(name).nii.gz"))
      let masks = Self.masks(source.header)
      try MaskVolume.write(masks, to: path("\(name)-mask.nii.gz"), like: source)
      let again = try VolumeFile(path("\(name)-mask.nii.gz"), for: .mask)
      XCTAssertEqual(again.header.spacing, source.header.spacing)
      XCTAssertEqual(again.header.orientation, source.header.orientation)
      XCTAssertEqual(try (0..<again.header.slices).map { try again.labels($0) }, masks, name)
    }
    try python(
      modules: "nibabel",
      """
      import nibabel as nib
      for name, axis in (('a', 2), ('b', 0), ('c', 1), ('d', 2)):
          source, mask = nib.load(name + '.nii.gz'), nib.load(name + '-mask.nii.gz')
          assert type(source) is type(mask)
          assert source.header.endianness == mask.header.endianness
          for key in source.header:
              if key in ('datatype', 'bitpix', 'dim', 'scl_slope', 'scl_inter', 'vox_offset', 'pixdim'): continue
              assert source.header[key].tobytes() == mask.header[key].tobytes(), key
          assert mask.get_data_dtype() == np.uint8
          assert np.array_equal(source.affine, mask.affine)
          assert source.header.get_zooms()[:3] == mask.header.get_zooms()
          assert mask.shape == source.shape[:3]
          # The masks of this test, by their formula.
          data = np.asanyarray(mask.dataobj)
          a, b = [i for i in range(3) if i != axis]
          data = data.transpose(axis, b, a)
          n, h, w = data.shape
          i = np.arange(h * w)
          for k in range(n): assert np.array_equal(data[k].ravel(), (i * 7 + k * 5 + i // w) % 3), (name, k)
      """)
  }

  /// Decompressed volumes are kept; one that is replaced is read anew.
  func testAReplacedFileIsReadAnew() throws {
    let shape = (slices: 2, rows: 2, columns: 3), spacing = VolumeHeader.Spacing(slice: 1, row: 1, column: 1)
    let volume = path("a.nii.gz")
    try NIfTIWriter.write(.int16((0..<12).map { Int16($0) }), shape, spacing, to: volume)
    let file = try VolumeFile(volume)
    XCTAssertEqual(try file.slice(1).values, .int16([6, 7, 8, 9, 10, 11]))
    XCTAssertEqual(try file.slice(0).values, .int16([0, 1, 2, 3, 4, 5]))
    try NIfTIWriter.write(.int16((0..<12).map { Int16(-$0) }), shape, spacing, to: volume)
    XCTAssertEqual(try file.slice(0).values, .int16([0, -1, -2, -3, -4, -5]))
    try python(
      modules: "nibabel",
      """
      import nibabel as nib
      image = nib.load('a.nii.gz')
      assert image.get_data_dtype() == np.int16 and image.shape == (3, 2, 2)
      assert np.array_equal(np.asanyarray(image.dataobj).transpose(2, 1, 0).ravel(), -np.arange(12))
      assert nib.aff2axcodes(image.affine) == ('L', 'P', 'S')
      """)
  }

  func testWhatIsNotReadIsRefusedInOneSentence() throws {
    try python(
      modules: "nibabel",
      """
      import nibabel as nib, gzip
      def save(name, data): nib.save(nib.Nifti1Image(data, np.eye(4)), name)
      save('complex.nii', np.zeros((3, 3, 3), 'c8'))
      nan = np.zeros((4, 3, 5), 'f4'); nan[2, 1, 3] = np.nan
      save('nan.nii.gz', nan)
      inf = np.zeros((4, 3, 5, 2), 'f4'); inf[2, 1, 3, 1] = -np.inf
      save('inf.nii', inf)
      save('fine.nii', np.full((3, 3, 3), 0.1, 'f8'))
      save('large.nii', np.full((3, 3, 3), (1 << 24) + 1, 'i4'))
      save('time.nii', np.zeros((3, 3, 3, 33), 'i2'))
      save('five.nii', np.zeros((3, 3, 3, 2, 2), 'i2'))
      save('good.nii', np.arange(105, dtype='i2').reshape(7, 5, 3))
      good = open('good.nii', 'rb').read()
      open('short.nii', 'wb').write(good[:-1])
      zipped = gzip.compress(np.random.default_rng(0).bytes(100) + good)
      open('other.nii.gz', 'wb').write(zipped)
      zipped = gzip.compress(good)
      open('cut.nii.gz', 'wb').write(zipped[:-9])
      open('checksum.nii.gz', 'wb').write(zipped[:-8] + bytes(8))
      pair = bytearray(good); pair[344:347] = b'ni1'
      open('pair.nii', 'wb').write(pair)
      bomb = bytearray(good); bomb[42:48] = np.array([30000, 30000, 30000], '<i2').tobytes()
      open('bomb.nii', 'wb').write(bomb)
      open('bomb.nii.gz', 'wb').write(gzip.compress(bytes(bomb)))
      """)
    for (name, words) in [
      ("complex.nii", "its voxels are complex numbers, which are not read; save them as 16-bit integers or as float32"),
      ("nan.nii.gz", "slice 3, row 1, column 2: NaN is no number to train on; replace it"),
      ("inf.nii", "slice 3, row 1, column 2, channel 1: -inf is no number to train on"),
      ("fine.nii", "0.1 is a float64 that float32 does not hold exactly"),
      ("large.nii", "16777217 is an int32 that float32 does not hold exactly"),
      ("time.nii", "has 33 channels, and at most 32 are read"),
      ("five.nii", "three of space and one of channels are read"),
      ("short.nii", "bytes is too small"), ("other.nii.gz", "is no NIfTI volume"),
      ("cut.nii.gz", "its compressed data is damaged or incomplete"),
      ("checksum.nii.gz", "its compressed data is damaged or incomplete"),
      ("pair.nii", "is the header of a pair of files"),
      ("bomb.nii", "bytes is too small"), ("bomb.nii.gz", "bytes is too small"),
    ] {
      let text = refusal(name)
      XCTAssertTrue(text.hasPrefix(path(name)) && text.contains(words), text)
    }
    let volume = try VolumeFile(path("good.nii"))
    XCTAssertEqual(
      message { _ = try volume.slice(3) },
      "\(path("good.nii")): has no slice 3: its slices are 0 to 2; correct the list")
    XCTAssertTrue(
      message { _ = try VolumeFile(path("nan.nii.gz"), for: .mask).labels(3) }.contains("NaN is no class number"))
  }
}
