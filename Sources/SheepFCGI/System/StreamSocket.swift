import Glibc
import Streaming

/// A connected, non-blocking stream socket and the two calls that it is there for.
struct StreamSocket: ~Copyable {
  let descriptor: Descriptor

  enum Progress: Equatable {
    /// So many bytes went through, at least one.
    case bytes(Int)
    /// Not now: wait for the poller.
    case blocked
    /// The peer sends no more.
    case ended
    case broken
  }

  /// Reads what is there into `buffer`.
  func read(into buffer: inout [UInt8]) -> Progress {
    let count = buffer.withUnsafeMutableBytes { recv(descriptor.raw, $0.baseAddress, $0.count, 0) }
    if count > 0 { return .bytes(count) }
    return count == 0 ? .ended : Self.failure()
  }

  /// Sends three pieces in one call, as far as the socket takes them.
  func write(_ lead: [UInt8], _ content: Span<UInt8>, _ tail: [UInt8]) -> Progress {
    let count = lead.withUnsafeBytes { lead in
      content.withUnsafeBytes { content in
        tail.withUnsafeBytes { tail in
          var pieces: [3 of iovec] = [iovec(lead), iovec(content), iovec(tail)]
          return withUnsafeMutablePointer(to: &pieces) { pieces in
            pieces.withMemoryRebound(to: iovec.self, capacity: 3) { writev(descriptor.raw, $0, tail.isEmpty ? 2 : 3) }
          }
        }
      }
    }
    return count > 0 ? .bytes(count) : Self.failure()
  }

  private static func failure() -> Progress {
    errno == EAGAIN || errno == EINTR ? .blocked : .broken
  }
}

extension iovec {
  fileprivate init(_ bytes: UnsafeRawBufferPointer) {
    // writev only reads; its type does not say so.
    self.init(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
  }
}
