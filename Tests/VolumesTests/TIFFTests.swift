import Foundation
import Transforms
import Volumes
import XCTest

/// TIFF files against tifffile, in both directions.
final class TIFFTests: VolumesTestCase {
  func testFilesOfTifffileAreReadInEveryVariant() throws {
    try python(
      modules: "tifffile, imagecodecs",
      """
      import tifffile
      rng = np.random.default_rng(3)
      def data(dtype, *shape):
          if dtype.startswith('f'): return rng.standard_normal(shape).astype(dtype)
          low = -100 if dtype.startswith('i') else 0
          return rng.integers(low, 127 if dtype in ('i1', 'u1') else 30000, shape).astype(dtype)
      for dtype in ('u1', 'i1', 'u2', 'i2', 'f2', 'f4'):
          for order in '<>':
              for compression in (None, 'lzw', 'zlib', 'packbits', 'zstd'):
                  if compression == 'packbits' and dtype.startswith('f'): continue
                  for predictor in (False, True):
                      if predictor and compression in (None, 'packbits'): continue
                      for tile in (None, (16, 32)):
                          name = f'{dtype}{"be" if order == ">" else "le"}-{compression}-{predictor}-{tile is not None}.tif'
                          image = data(dtype, 37, 45)
                          tifffile.imwrite(name, image, byteorder=order, compression=compression, predictor=predictor, tile=tile,
                                           photometric='minisblack', rowsperstrip=None if tile else 10)
                          keep(name, image[None, ..., None])
      for dtype in ('i4', 'u4', 'f8'):
          image = np.round(data(dtype, 9, 8))
          tifffile.imwrite(f'{dtype}.tif', image)
          keep(f'{dtype}.tif', image[None, ..., None])
      for channels in (2, 3, 4, 13):
          for dtype in ('u1', 'u2', 'f4'):
              for planar in ('contig', 'separate'):
                  for tile in (None, (16, 16)):
                      name = f'{dtype}-{channels}-{planar}-{tile is not None}.tif'
                      image = data(dtype, 21, 19, channels)
                      tifffile.imwrite(name, image if planar == 'contig' else image.transpose(2, 0, 1), planarconfig=planar, tile=tile,
                                       photometric='minisblack', compression='zlib', extrasamples=['unspecified'] * (channels - 1))
                      keep(name, image[None])
      volume = data('u2', 5, 12, 11)
      for bigtiff in (False, True):
          tifffile.imwrite(f'volume-{bigtiff}.tif', volume, bigtiff=bigtiff, photometric='minisblack', compression='lzw')
          keep(f'volume-{bigtiff}.tif', volume[..., None])
      volume = data('f4', 3, 12, 11, 4)
      tifffile.imwrite('volume4.tif', volume, photometric='minisblack', planarconfig='contig', extrasamples=['unspecified'] * 3)
      keep('volume4.tif', volume)
      # A picture in several resolutions is one picture.
      image = data('u1', 64, 64)
      with tifffile.TiffWriter('pyramid.tif') as f:
          f.write(image, tile=(16, 16), photometric='minisblack')
          f.write(image[::2, ::2], subfiletype=1, photometric='minisblack')
      keep('pyramid.tif', image[None, ..., None])
      image = data('u1', 16, 16, 4)
      tifffile.imwrite('alpha.tif', image, photometric='rgb', extrasamples=['unassalpha'])
      keep('alpha.tif', image[None])
      image = data('u1', 16, 16)
      tifffile.imwrite('palette.tif', image, photometric='palette', colormap=np.zeros((3, 256), 'u2'))
      keep('palette.tif', image[None, ..., None])
      """)
    try compareKept(atLeast: 130)
    XCTAssertEqual(try VolumeFile(path("u2-13-separate-True.tif")).header.type, .uint16)
    XCTAssertEqual(try VolumeFile(path("i2le-lzw-True-True.tif")).header.type, .int16)
    XCTAssertTrue(try VolumeFile(path("alpha.tif")).header.hasAlpha)
    XCTAssertFalse(try VolumeFile(path("f4-4-contig-False.tif")).header.hasAlpha)
    XCTAssertNil(try VolumeFile(path("volume4.tif")).header.spacing)
  }

  func testTifffileReadsMasksWithTheTagsOfTheirImages() throws {
    try python(
      modules: "tifffile, imagecodecs",
      """
      import tifffile
      rng = np.random.default_rng(4)
      keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
      name = 'WGS 84 / UTM zone 33N|'
      tags = [(33550, 'd', 3, (10.0, 10.0, 0.0), True), (33922, 'd', 6, (0.0, 0.0, 0.0, 399960.0, 5300040.0, 0.0), True),
              (34735, 'H', len(keys), keys, True), (34736, 'd', 2, (6378137.0, 298.25), True), (34737, 's', 0, name, True)]
      for big in (False, True):
          tifffile.imwrite(f'earth-{big}.tif', rng.integers(0, 10000, (70, 50, 13)).astype('u2'), bigtiff=big, tile=(32, 32),
                           photometric='minisblack', planarconfig='contig', extrasamples=['unspecified'] * 12,
                           resolution=(300, 150), resolutionunit='INCH', extratags=tags)
      tifffile.imwrite('stack.tif', rng.integers(0, 10000, (4, 70, 50)).astype('u2'), photometric='minisblack')
      tifffile.imwrite('plain.tif', rng.random((700, 300), 'f4'), byteorder='>')
      """)
    for name in ["earth-False", "earth-True", "stack", "plain"] {
      let source = try VolumeFile(path("\(name).tif"))
      let masks = Self.masks(source.header)
      try MaskVolume.write(masks, to: path("\(name)-mask.tif"), like: source)
      let again = try VolumeFile(path("\(name)-mask.tif"), for: .mask)
      XCTAssertEqual(try (0..<again.header.slices).map { try again.labels($0) }, masks, name)
    }
    try python(
      modules: "tifffile, imagecodecs",
      """
      import tifffile
      for name, earth in (('earth-False', 5), ('earth-True', 5), ('stack', 0), ('plain', 0)):
          with tifffile.TiffFile(name + '.tif') as source, tifffile.TiffFile(name + '-mask.tif') as mask:
              data = mask.asarray()
              assert data.dtype == np.uint8, data.dtype
              if data.ndim == 2: data = data[None]
              n, h, w = data.shape
              assert (n, h, w) == ((4, 70, 50) if name == 'stack' else (1,) + source.pages[0].shape[:2]), data.shape
              i = np.arange(h * w)
              for k in range(n): assert np.array_equal(data[k].ravel(), (i * 7 + k * 5 + i // w) % 3), (name, k)
              a, b = source.pages[0].tags, mask.pages[0].tags
              found = [t for t in (33550, 33922, 34264, 34735, 34736, 34737) if t in a]
              assert len(found) == earth, found
              for tag in found: assert a[tag].value == b[tag].value, (tag, a[tag].value, b[tag].value)
              if earth:
                  for tag in (282, 283, 296): assert a[tag].value == b[tag].value, tag
      """)
  }

  func testWhatIsNotReadIsRefusedInOneSentence() throws {
    try python(
      modules: "tifffile, imagecodecs",
      """
      import tifffile
      tifffile.imwrite('bits.tif', np.zeros((16, 16), bool))
      tifffile.imwrite('complex.tif', np.zeros((16, 16), 'c8'))
      nan = np.zeros((3, 8, 9, 2), 'f4'); nan[1, 4, 5, 1] = np.nan
      tifffile.imwrite('nan.tif', nan, photometric='minisblack', planarconfig='contig', extrasamples=['unspecified'])
      with tifffile.TiffWriter('mixed.tif') as f:
          f.write(np.zeros((8, 9), 'u1')); f.write(np.zeros((8, 9), 'u2'))
      tifffile.imwrite('cmyk.tif', np.zeros((16, 16, 4), 'u1'), photometric='separated')
      tifffile.imwrite('many.tif', np.zeros((16, 16, 40), 'u1'), photometric='minisblack', planarconfig='contig',
                       extrasamples=['unspecified'] * 39)
      tifffile.imwrite('turned.tif', np.zeros((16, 18), 'u1'), extratags=[(274, 'H', 1, 6, True)])
      tifffile.imwrite('good.tif', np.random.default_rng(1).integers(0, 9, (16, 18)).astype('u1'), compression='zlib')
      good = bytearray(open('good.tif', 'rb').read())
      open('short.tif', 'wb').write(good[:-4])
      tifffile.imwrite('raw.tif', np.zeros((16, 18), 'u1'))
      raw = bytearray(open('raw.tif', 'rb').read())
      with tifffile.TiffFile('raw.tif') as f: width = f.pages[0].tags[256].valueoffset; height = f.pages[0].tags[257].valueoffset
      for at in (width, height): raw[at:at + 2] = b'\\xff\\xff'
      open('bomb.tif', 'wb').write(raw)
      loop = bytearray(good)
      with tifffile.TiffFile('good.tif') as f: at = f.pages[0].offset; n = len(f.pages[0].tags)
      loop[at + 2 + 12 * n:at + 6 + 12 * n] = loop[4:8]
      open('loop.tif', 'wb').write(loop)
      open('empty.tif', 'wb').close()
      tifffile.imwrite('value.tif', np.full((3, 3), 256, 'u2'))
      tifffile.imwrite('half.tif', np.full((3, 3), 0.5, 'f4'))
      """)
    for (name, words) in [
      ("bits.tif", "values of 8, 16 and 32 bits are read"), ("complex.tif", "values of 8, 16 and 32 bits are read"),
      ("nan.tif", "slice 1, row 4, column 5, channel 1: NaN is no number to train on"),
      ("mixed.tif", "page 1 has 9×8 pixels of 1 × 16 bits (unsigned), and page 0 has 9×8 pixels of 1 × 8 bits"),
      ("cmyk.tif", "holds CMYK"), ("many.tif", "has 40 channels, and at most 32 are read"),
      ("turned.tif", "its orientation is 6"), ("short.tif", "is damaged or incomplete as a TIFF"),
      ("bomb.tif", "bytes is too small"), ("loop.tif", "is damaged or incomplete as a TIFF"),
      ("empty.tif", "the file is empty"),
      ("nothing.tif", "cannot be opened"),
    ] {
      let text = refusal(name)
      XCTAssertTrue(text.hasPrefix(path(name)) && text.contains(words), text)
    }
    for (name, value) in [("value.tif", "256"), ("half.tif", "0.5")] {
      XCTAssertTrue(
        message { _ = try VolumeFile(path(name), for: .mask).labels(0) }.contains(
          "row 0, column 0: \(value) is no class number"))
    }
  }
}
