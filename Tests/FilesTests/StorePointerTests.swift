import Files
import TestSupport
import XCTest

/// Texts that stores of large files leave in the place of a file.
final class StorePointerTests: DirectoryTestCase {
  private func pointer(_ text: String, _ path: String = "a b.png") -> StorePointer? { StorePointer(text.utf8, path) }

  func testEveryStore() throws {
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"
    XCTAssertEqual(pointer(lfs)?.remedy, "git lfs pull")
    XCTAssertEqual(pointer("\u{FEFF}\r\n" + lfs.replacing("\n", with: "\r\n"))?.store, "Git LFS")
    XCTAssertEqual(pointer("version https://hawser.github.com/spec/v1\noid sha256:4d7a\n")?.store, "Git LFS")
    for text in [
      "/annex/objects/SHA256E-s3--1f.jpg\n", "../../.git/annex/objects/Xk/4f/SHA256E-s3--1f.jpg",
      ".git/annex/objects/Xk/x",
    ] {
      XCTAssertEqual(pointer(text)?.remedy, "git annex get 'a b.png'", text)
    }
    for text in ["outs:\n- md5: d3b0\n  path: x\n", "md5: 1\nouts:\n- hash: md5\n  path: x\n"] {
      XCTAssertEqual(pointer(text)?.remedy, "dvc pull", text)
    }
    XCTAssertEqual(
      pointer(lfs)?.problem, "is the pointer of Git LFS, not the file itself; fetch that: git lfs pull")
  }

  /// Lists and configurations that hold some of the same words.
  func testWhatIsNone() {
    for text in [
      "", "im000\nim001\n", "version 2\n", "data:\n  root: x\n", "outs:\n", "# version https://git-lfs.github.com\n",
      "images/.git/annex/objects/a.jpg\n", "couts: 3\nmd5: 4\n",
    ] {
      XCTAssertNil(pointer(text), text)
    }
  }

  func testLinksThatLeadNowhere() throws {
    let target = ".git/annex/objects/Xk/SHA256E-s3--1f.h5"
    XCTAssertEqual(symlink(target, path("a.h5")), 0)
    XCTAssertEqual(symlink("gone.h5", path("b.h5")), 0)
    let annex = FileError.system("cannot be read", path("a.h5"), code: ENOENT).description
    XCTAssertTrue(annex.hasSuffix("; git-annex has not fetched the file: git annex get \(path("a.h5"))"), annex)
    let other = FileError.system("cannot be read", path("b.h5"), code: ENOENT).description
    XCTAssertTrue(other.hasSuffix("; it is a link that leads nowhere: gone.h5 does not exist"), other)
    let none = FileError.system("cannot be read", path("c.h5"), code: ENOENT).description
    XCTAssertTrue(none.hasSuffix("; create the directory or correct the path"), none)
  }
}
