import Foundation
import Transforms
import Volumes
import XCTest

/// NumPy arrays and HDF5 datasets against numpy and h5py, in both directions.
final class ArrayTests: VolumesTestCase {
  func testArraysOfNumPyAreReadInEveryVariant() throws {
    try python(
      modules: "numpy",
      """
      rng = np.random.default_rng(3)
      shapes = {'image': (40, 36), 'channels': (40, 36, 4), 'volume': (5, 12, 11), 'all': (3, 12, 11, 2), 'thin': (40, 33, 33)}
      for name, shape in shapes.items():
          for dtype in ('?', 'u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'u8', 'i8', 'f2', 'f4', 'f8'):
              for order in '<>':
                  for fortran in (False, True):
                      array = rng.integers(0, 2 if dtype == '?' else 127, shape).astype(dtype)
                      if dtype in ('i1', 'i2', 'f2', 'f4'): array = -array
                      array = array.astype(array.dtype.newbyteorder(order))
                      if fortran: array = np.asfortranarray(array)
                      file = f'{name}-{dtype.replace("?", "b")}-{"be" if order == ">" else "le"}-{fortran}.npy'
                      np.save(file, array)
                      full = {2: array[None, ..., None] if array.ndim == 2 else None, 4: array}.get(array.ndim)
                      if array.ndim == 3: full = array[None] if name == 'channels' else array[..., None]
                      keep(file, full)
      array = rng.integers(0, 99, (5, 6, 7)).astype('i2')
      for version in ((1, 0), (2, 0), (3, 0)):
          with open(f'version{version[0]}.npy', 'wb') as f: np.lib.format.write_array(f, array, version=version)
          keep(f'version{version[0]}.npy', array[..., None])
      tiny = np.array([[0, 2.0 ** -24, 2.0 ** -14, 65504, -1.5, 0.1]], 'f2')
      np.save('half.npy', tiny)
      keep('half.npy', tiny[None, ..., None])
      """)
    try compareKept(atLeast: 240)
    XCTAssertEqual(try VolumeFile(path("volume-i1-le-False.npy")).header.type, .int16)
  }

  func testDatasetsOfH5pyAreRead() throws {
    try python(
      modules: "h5py",
      """
      import h5py
      rng = np.random.default_rng(5)
      for dtype in ('u1', 'i1', 'u2', 'i2', 'i4', 'f4', 'f8', '>i2', '>f4', 'f2'):
          for options in ({}, {'chunks': True}, {'compression': 'gzip', 'shuffle': True, 'fletcher32': True}):
              name = f'{dtype.replace(">", "be")}-{"-".join(options)}.h5'
              array = rng.integers(0, 100, (5, 12, 11)).astype(dtype)
              with h5py.File(name, 'w') as f:
                  f.create_dataset('image', data=array, **options)
                  f.create_dataset('label', data=(array % 3).astype('u1'))
              keep(name, array[..., None])
      with h5py.File('channels.h5', 'w') as f: f['only'] = rng.integers(-99, 99, (3, 12, 11, 4)).astype('i2')
      with h5py.File('channels.h5') as f: keep('channels.h5', f['only'][()])
      with h5py.File('image.h5', 'w') as f: f['group/only'] = rng.integers(-99, 99, (12, 11)).astype('i2')
      with h5py.File('image.h5') as f: keep('image.h5', f['group/only'][()][None, ..., None])
      with h5py.File('several.h5', 'w') as f: f['a'] = np.zeros((4, 4)); f['b'] = np.ones((4, 4), 'u1')
      with h5py.File('mask.h5', 'w') as f: f['mask'] = np.arange(24).reshape(2, 3, 4) > 7
      """)
    try compareKept(atLeast: 32)
    let mask = try VolumeFile(path("i2-.h5"), for: .mask)
    let image = try VolumeFile(path("i2-.h5"))
    XCTAssertEqual(mask.header.type, .uint8)
    XCTAssertEqual(
      try mask.labels(2).values, Self.doubles(try image.slice(2)).map { UInt8(Int($0) % 3) })
    XCTAssertEqual(
      try VolumeFile(path("mask.h5"), for: .mask).labels(0).values, [UInt8](repeating: 0, count: 8) + [1, 1, 1, 1])
    XCTAssertEqual(
      try VolumeFile(path("several.h5"), dataset: "b").slice(0).values, .uint8([UInt8](repeating: 1, count: 16)))
    XCTAssertTrue(
      refusal("several.h5").contains("has the datasets a, b, and none of them is called image; call the one"))
    XCTAssertTrue(
      message { _ = try VolumeFile(path("several.h5"), dataset: "c") }.contains("has no dataset 'c': there is a, b"))
  }

  func testNumPyAndH5pyReadMasks() throws {
    try python(
      modules: "h5py",
      """
      import h5py
      np.save('volume.npy', np.zeros((5, 12, 11), 'i2'))
      np.save('image.npy', np.zeros((40, 37, 4), 'f4'))
      with h5py.File('volume.h5', 'w') as f: f['image'] = np.zeros((5, 12, 11), 'i2')
      """)
    for name in ["volume.npy", "image.npy", "volume.h5"] {
      let source = try VolumeFile(path(name))
      try MaskVolume.write(Self.masks(source.header), to: path("mask-\(name)"), like: source)
    }
    try python(
      modules: "h5py",
      """
      import h5py
      with h5py.File('mask-volume.h5') as f: data = f['label'][()]
      for data, shape in ((data, (5, 12, 11)), (np.load('mask-volume.npy'), (5, 12, 11)), (np.load('mask-image.npy'), (1, 40, 37))):
          assert data.dtype == np.uint8 and data.shape == shape, (data.dtype, data.shape)
          n, h, w = data.shape
          i = np.arange(h * w)
          for k in range(n): assert np.array_equal(data[k].ravel(), (i * 7 + k * 5 + i // w) % 3), k
      """)
  }

  func testWhatIsNotReadIsRefusedInOneSentence() throws {
    try python(
      modules: "numpy",
      """
      np.save('object.npy', np.array([[1, 'a']], object), allow_pickle=True)
      np.save('fields.npy', np.zeros((3, 3), [('a', 'i2'), ('b', 'f4')]))
      np.save('complex.npy', np.zeros((3, 3), 'c8'))
      np.save('text.npy', np.full((3, 3), 'x'))
      np.save('line.npy', np.zeros(9)); np.save('five.npy', np.zeros((2, 2, 2, 2, 2)))
      np.save('none.npy', np.zeros((3, 0)))
      nan = np.zeros((3, 4, 5), '>f8'); nan[2, 3, 1] = np.inf
      np.save('inf.npy', nan)
      np.save('large.npy', np.full((3, 3), 1 << 60 | 1))
      good = np.arange(60, dtype='i2').reshape(3, 4, 5)
      np.save('good.npy', good)
      good = open('good.npy', 'rb').read()
      open('short.npy', 'wb').write(good[:-1])
      open('head.npy', 'wb').write(good[:9])
      open('bomb.npy', 'wb').write(good.replace(b'(3, 4, 5), }        ', b'(3, 40000, 50000), }'))
      open('huge.npy', 'wb').write(good.replace(b'(3, 4, 5), }                    ', b'(3, 999999999999, 999999999999)}'))
      """)
    for (name, words) in [
      ("object.npy", "its values are of type '|O', Python objects"), ("fields.npy", "none that are read"),
      ("complex.npy", "complex numbers"), ("text.npy", "none that are read"), ("line.npy", "has the shape [9]"),
      ("five.npy", "has the shape [2, 2, 2, 2, 2]"), ("none.npy", "is an array without any element"),
      ("inf.npy", "slice 2, row 3, column 1: inf is no number"),
      ("large.npy", "1152921504606846977 is an int64 that float32"),
      ("short.npy", "is cut short"), ("head.npy", "its header is damaged"), ("bomb.npy", "is cut short"),
      ("huge.npy", "has the shape [3, 999999999999, 999999999999]"),
    ] {
      let text = refusal(name)
      XCTAssertTrue(text.hasPrefix(path(name)) && text.contains(words), text)
    }
  }

}
