import Files

extension FileLock {
  /// Keeps a second launch from supervising the same run. Where the file system has no locks, the file only tells who
  /// supervised the run last.
  ///
  /// - Throws: ``SupervisorError`` naming who holds it.
  convenience init(launchAt path: String) throws {
    do { try self.init(path: path) } catch let held as Held {
      throw SupervisorError(
        "another launch supervises this run (\(held.holder)); stop that one first, or give another --run")
    } catch { throw SupervisorError("\(error)") }
  }
}
