import Glibc

/// A call to the system that failed: what was tried, on what, why, and what to do about it.
struct SystemError: Error, Sendable, CustomStringConvertible {
  /// As in "cannot …": `listen on unix:/run/sheep.sock`.
  let attempt: String
  /// The system's words, or ours where the system has none.
  let reason: String
  /// What the reader can do. Nil: nothing beyond what the reason says.
  let remedy: String?
  /// The errno, for callers that decide by it; 0 where there was none.
  let code: Int32

  /// - Parameter code: pass `errno` first of all, before another call changes it.
  init(_ code: Int32, _ attempt: String, remedy: String? = nil) {
    self.attempt = attempt
    self.reason = String(cString: strerror(code))
    self.remedy = remedy
    self.code = code
  }

  init(_ attempt: String, reason: String, remedy: String? = nil) {
    self.attempt = attempt
    self.reason = reason
    self.remedy = remedy
    self.code = 0
  }

  var description: String { "cannot \(attempt): \(why)" }

  /// Reason and remedy, where the reader knows what was tried.
  var why: String { reason + (remedy.map { "; \($0)" } ?? "") }
}
