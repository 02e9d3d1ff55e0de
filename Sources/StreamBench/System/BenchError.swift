import Glibc

/// Why something could not be measured: what failed, on what, and what to do.
struct BenchError: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }

  /// - Parameter code: an errno; pass it first of all, before another call changes it.
  init(_ code: Int32, _ attempt: String, remedy: String? = nil) {
    description = "cannot \(attempt): \(String(cString: strerror(code)))\(remedy.map { "; \($0)" } ?? "")"
  }
}
