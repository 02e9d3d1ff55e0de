import Foundation
import Glibc

/// A folder that is removed with all that is in it.
final class TemporaryFolder {
  let path: String

  init() throws(BenchError) {
    let chosen = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    // A Unix socket's path has 107 bytes at most (unix(7)), and sockets lie below.
    let parent = chosen.utf8.count < 60 ? chosen : "/tmp"
    var template = Array("\(parent)/stream-bench-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw BenchError(errno, "make a folder below \(parent)") }
    path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    // nginx's workers may give root up, and must get to the sockets all the same.
    chmod(path, 0o755)
  }

  func remove() {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// A folder within it.
  func folder(_ name: String) throws(BenchError) -> String {
    let path = "\(path)/\(name)"
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw BenchError(errno, "make the folder \(path)") }
    return path
  }
}
