import Glibc

/// Small text files: the configuration, keys.
enum FileContents {
  /// The whole of a UTF-8 file, no larger than `limitBytes`. Blocks; not for the loop.
  static func read(_ path: String, limitBytes: Int) throws(SystemError) -> String {
    let opened = open(path, O_RDONLY | O_CLOEXEC)
    guard opened >= 0 else { throw failure(errno, path) }
    let file = Descriptor(owning: opened)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = Glibc.read(file.raw, &chunk, chunk.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure(errno, path) }
      if count == 0 { break }
      bytes += chunk[..<count]
      guard bytes.count <= limitBytes else {
        let reason = "it is larger than \(limitBytes) bytes"
        throw SystemError("read \(path)", reason: reason, remedy: "is it the right file?")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw SystemError("read \(path)", reason: "it is not UTF-8", remedy: "save it as UTF-8")
    }
    return text
  }

  /// Whether others than its owner and its group can read it, as far as its own mode says.
  static func isOpenToAll(_ path: String) -> Bool {
    var info = stat()
    return stat(path, &info) == 0 && info.st_mode & 0o004 != 0
  }

  private static func failure(_ code: Int32, _ path: String) -> SystemError {
    let remedy =
      switch code {
      case ENOENT, ENOTDIR: "create it, or put the path right"
      case EACCES: "let the user who runs the program read it"
      case EISDIR: "name a file in it"
      default: nil as String?
      }
    return SystemError(code, "read \(path)", remedy: remedy)
  }
}
