import Annotations
import Files
import Foundation
import TestSupport
import XCTest

/// COCO's objects against pycocotools; those of LabelMe and CVAT against pixels counted by hand.
final class AnnotationTests: DirectoryTestCase {
  /// Polygons of any form, in and outside of the image, with corners on and between pixels; both kinds of runs.
  func testPycocotoolsHasTheSamePixels() throws {
    let script = """
      import sys, json, numpy as np
      from pycocotools import mask as m
      rng = np.random.default_rng(3)
      images, annotations, expected = [], [], []
      for i in range(150):
          h, w = (int(v) for v in rng.integers(3, 60, 2))
          images.append(dict(id=i, file_name=f'{i}.jpg', height=h, width=w))
          kind = i % 3
          if kind == 0:
              polygons = []
              for _ in range(rng.integers(1, 4)):
                  n = rng.integers(3, 12)
                  points = rng.uniform(-0.3, 1.3, (n, 2)) * [w, h]
                  if rng.random() < 0.5: points = np.round(points * 2) / 2
                  if rng.random() < 0.2: points[1] = points[0]
                  polygons.append([float(v) for v in points.ravel()])
              segmentation = polygons
              pixels = m.decode(m.merge(m.frPyObjects(polygons, h, w)))
          else:
              pixels = np.asfortranarray(rng.random((h, w)) < rng.uniform(0, 1)).astype('u1')
              if i % 2: pixels = np.asfortranarray(np.add.outer(np.arange(h), np.arange(w)) > (h + w) / 2).astype('u1')
              rle = m.encode(pixels)
              if kind == 1: segmentation = dict(size=[h, w], counts=rle['counts'].decode())
              else:
                  flat = pixels.ravel(order='F')
                  change = np.flatnonzero(np.diff(flat)) + 1
                  counts = np.diff(np.concatenate([[0], change, [flat.size]])).tolist()
                  segmentation = dict(size=[h, w], counts=([0] if flat[0] else []) + counts)
          annotations.append(dict(id=i, image_id=i, category_id=7, iscrowd=0, segmentation=segmentation))
          expected.append(''.join(map(str, pixels.ravel())))
      json.dump(dict(images=images, annotations=annotations, categories=[dict(id=7, name='thing')]), open(sys.argv[1], 'w'))
      open(sys.argv[1] + '.expected', 'w').write('\\n'.join(expected))
      """
    let peer = try PythonPeer(modules: "pycocotools, numpy")
    let result = try peer.run(["-c", script, path("coco.json")])
    XCTAssertEqual(result.status, 0, result.output)
    let expected = try String(contentsOfFile: path("coco.json.expected"), encoding: .utf8).split(separator: "\n")
    let set = try COCOFile.read(path("coco.json"), ignoresRest: false)
    XCTAssertEqual(set.classes, ["background", "thing"])
    XCTAssertEqual(set.images.count, expected.count)
    for (image, pixels) in zip(set.images, expected) {
      let labels = try image.labels(rest: 0, place: image.file)
      XCTAssertEqual(labels.map { "\($0)" }.joined(), String(pixels), image.file)
    }
  }

  private func square(_ x: Int, _ y: Int, _ side: Int) -> String {
    "[\(x), \(y), \(x + side), \(y), \(x + side), \(y + side), \(x), \(y + side)]"
  }

  func testCrowdsAndOverlapsOfCOCO() throws {
    let text = """
      {"images": [{"id": 1, "file_name": "a/b.jpg", "height": 4, "width": 4}, {"id": 2, "file_name": "c.jpg", "height": 2, "width": 2}],
       "categories": [{"id": 9, "name": "b"}, {"id": 3, "name": "a"}],
       "annotations": [
         {"id": 1, "image_id": 1, "category_id": 3, "iscrowd": 0, "segmentation": [\(square(0, 0, 1))]},
         {"id": 2, "image_id": 1, "category_id": 9, "iscrowd": 0, "segmentation": [\(square(0, 0, 2))]},
         {"id": 3, "image_id": 1, "category_id": 3, "iscrowd": 1, "segmentation": {"size": [4, 4], "counts": [0, 12, 4]}},
         {"id": 4, "image_id": 1, "category_id": 3, "iscrowd": 0, "bbox": [1, 1, 1, 1]}]}
      """
    try write(Array(text.utf8), to: path("coco.json"))
    let set = try COCOFile.read(path("coco.json"), ignoresRest: false)
    XCTAssertEqual(set.classes, ["background", "a", "b"])
    XCTAssertEqual(
      try set.images[0].labels(rest: 0, place: ""), [1, 2, 255, 0, 2, 2, 255, 0, 255, 255, 255, 0, 255, 255, 255, 0])
    XCTAssertTrue(set.images[1].objects.isEmpty)
    XCTAssertEqual(set.remarks.count, 1)
    for (from, to, words) in [
      ("\"image_id\": 1, \"category_id\": 9", "\"image_id\": 5, \"category_id\": 9", "annotation 2: there is no image"),
      ("[0, 12, 4]", "[0, 12, 5]", "a mask's runs are longer than its image"),
      ("[0, 12, 4]", "\"~~~\"", "annotation 3: the counts of its segmentation are damaged"),
      ("[4, 4]", "[4, 5]", "a mask of 5×4 pixels belongs to an image of 4×4"), ("]}]}", "", "is no JSON"),
      ("[0, 0, 1, 0,", "[0, 0, 1e9, 0,", "far outside"), ("[0, 0, 1, 0,", "[0, null, 1, 0,", "no list of polygons"),
    ] {
      XCTAssertTrue(text.contains(from), from)
      try write(Array(text.replacing(from, with: to).utf8), to: path("bad.json"))
      let said = message { _ = try COCOFile.read(path("bad.json"), ignoresRest: false) }
      XCTAssertTrue(said.hasPrefix(path("bad.json")) && said.contains(words), said)
    }
  }

  func testLabelMe() throws {
    // A PNG of the grey values 0 and 1.
    let mask = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABCAAAAADRSSBWAAAAC0lEQVR4nGNgYAQAAAQAAr96P0oAAAAASUVORK5CYII="
    let text = """
      {"version": "5.4.1", "imagePath": "..\\\\photos\\\\one.jpg", "imageHeight": 4, "imageWidth": 5, "shapes": [
        {"label": "road", "points": [[0, 0], [3, 0], [3, 2], [0, 2]], "shape_type": "polygon"},
        {"label": "car", "points": [[2, 1], [4, 3]], "shape_type": "rectangle"},
        {"label": "car", "points": [[0.5, 3.5], [0.5, 3]], "shape_type": "circle"},
        {"label": "road", "points": [[3, 3], [4, 3]], "mask": "\(mask)", "shape_type": "mask"},
        {"label": "__ignore__", "points": [[0, 0], [1, 1]], "shape_type": "rectangle"},
        {"label": "road", "points": [[1, 1]], "shape_type": "point"}]}
      """
    try write(Array(text.utf8), to: path("one.json"))
    let set = try LabelMeFolder.read(directory, classes: nil, ignoresRest: false)
    XCTAssertEqual(set.classes, ["background", "car", "road"])
    XCTAssertEqual(set.images[0].file, "one.jpg")
    XCTAssertEqual(
      try set.images[0].labels(rest: 0, place: ""), [255, 2, 2, 0, 0, 2, 2, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 2])
    XCTAssertEqual(set.remarks, ["1 shapes of the type point have no area and are left out"])
    let ordered = try LabelMeFolder.read(directory, classes: ["road", "car"], ignoresRest: true)
    XCTAssertEqual(ordered.classes, ["road", "car"])
    XCTAssertEqual(try ordered.images[0].labels(rest: 255, place: "").last, 0)
    XCTAssertTrue(
      message { _ = try LabelMeFolder.read(directory, classes: ["road", "x"], ignoresRest: false) }
        .contains("one.json, shape 2: 'car' is no class"))
    for (from, to, words) in [
      ("\"imageHeight\": 4", "\"imageHeight\": 4000000000000000000", "one.json: has no imageHeight or imageWidth"),
      ("\"imageWidth\": 5", "\"imageWidth\": -5", "one.json: has no imageHeight or imageWidth"),
      ("[[3, 3], [4, 3]]", "[[1e300, 3], [4, 3]]", "one.json, shape 4: its mask lies far outside"),
      ("[[3, 3], [4, 3]]", "[[3, -1e19], [4, 3]]", "one.json, shape 4: its mask lies far outside"),
    ] {
      XCTAssertTrue(text.contains(from), from)
      try write(Array(text.replacing(from, with: to).utf8), to: path("one.json"))
      let said = message { _ = try LabelMeFolder.read(directory, classes: nil, ignoresRest: false) }
      XCTAssertTrue(said.contains(words), said)
    }
  }

  func testCVAT() throws {
    let text = """
      <?xml version="1.0" encoding="utf-8"?>
      <annotations><version>1.1</version>
        <meta><task><labels>
          <label><name>road</name><attributes><attribute><name>wet</name></attribute></attributes></label>
          <label><name>car &amp; bus</name></label></labels></task></meta>
        <image id="0" name="x/one.png" width="5" height="4">
          <polygon label="car &amp; bus" points="0,0;2,0;2,2;0,2" z_order="1"></polygon>
          <box label="road" xtl="1" ytl="1" xbr="4" ybr="3" z_order="0"></box>
          <mask label="road" rle="1, 2, 1" left="3" top="2" width="2" height="2" z_order="2"></mask>
          <points label="road" points="1,1"></points>
        </image>
        <image id="1" name="two.png" width="2" height="2"></image>
      </annotations>
      """
    try write(Array(text.utf8), to: path("a.xml"))
    let set = try CVATFile.read(path("a.xml"), ignoresRest: false)
    XCTAssertEqual(set.classes, ["background", "road", "car & bus"])
    XCTAssertEqual(set.images.map(\.file), ["x/one.png", "two.png"])
    XCTAssertEqual(
      try set.images[0].labels(rest: 0, place: ""), [2, 2, 0, 0, 0, 2, 2, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0])
    XCTAssertEqual(set.remarks, ["1 objects of the type points are left out"])
    for (from, to, words) in [
      ("2, 1\"", "2, 9\"", "a.xml, line 9: a mask's runs are longer"),
      ("0,0;2,0;", "0,x;2,0;", "line 7: a polygon has"),
      ("</annotations>", "", "is no XML of CVAT, or is cut short"),
      ("<image id=\"1\"", "<track id=\"1\"/><image id=\"1\"", "tracks"),
      ("width=\"5\" height=\"4\"", "width=\"90000\" height=\"90000\"", "a.xml, line 6: an image has no name"),
      ("label=\"road\" xtl", "label=\"sea\" xtl", "line 8: 'sea' is no label of the task"),
    ] {
      XCTAssertTrue(text.contains(from), from)
      try write(Array(text.replacing(from, with: to).utf8), to: path("a.xml"))
      let said = message { _ = try CVATFile.read(path("a.xml"), ignoresRest: false) }
      XCTAssertTrue(said.hasPrefix(path("a.xml")) && said.contains(words), said)
    }
  }
}
