import Glibc

/// Owns one file descriptor and closes it when it goes out of scope.
///
/// Exactly one `Descriptor` owns a number at any time, so that no number is closed twice and hits a stranger's file.
struct Descriptor: ~Copyable, Sendable {
  /// For calls that only borrow it. Not valid any more once the owner is gone.
  let raw: Int32

  /// Takes over `raw`: nobody else may close it from here on.
  init(owning raw: Int32) {
    self.raw = raw
  }

  /// Gives the number away, open: the caller closes it.
  consuming func release() -> Int32 {
    let raw = raw
    discard self
    return raw
  }

  deinit {
    // Not repeated on EINTR: Linux has let go of the number by then (close(2)).
    _ = close(raw)
  }
}
