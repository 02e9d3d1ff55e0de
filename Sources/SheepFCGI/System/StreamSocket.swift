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

  /// Sends as far as the socket takes it.
  func write(_ bytes: Span<UInt8>) -> Progress {
    // Not every command ignores SIGPIPE.
    let count = bytes.withUnsafeBytes { send(descriptor.raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    return count > 0 ? .bytes(count) : Self.failure()
  }

  /// Sends three pieces in one call, as far as the socket takes them.
  func write(_ lead: Span<UInt8>, _ content: Span<UInt8>, _ tail: Span<UInt8>) -> Progress {
    let total = lead.count + content.count + tail.count
    let count = total <= Self.smallBytes ? sendJoined(lead, content, tail, total) : sendPieces(lead, content, tail)
    return count > 0 ? .bytes(count) : Self.failure()
  }

  /// Up to so many bytes it costs less to join the pieces than to have the kernel gather them.
  private static let smallBytes = 1024

  private func sendJoined(
    _ lead: Span<UInt8>, _ content: Span<UInt8>, _ tail: Span<UInt8>, _ total: Int
  ) -> Int {
    withUnsafeTemporaryAllocation(byteCount: Self.smallBytes, alignment: 1) { joined in
      lead.withUnsafeBytes { joined.copyMemory(from: $0) }
      content.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: joined[lead.count...]).copyMemory(from: $0) }
      tail.withUnsafeBytes {
        UnsafeMutableRawBufferPointer(rebasing: joined[(lead.count + content.count)...]).copyMemory(from: $0)
      }
      return Glibc.send(descriptor.raw, joined.baseAddress, total, 0)
    }
  }

  private func sendPieces(_ lead: Span<UInt8>, _ content: Span<UInt8>, _ tail: Span<UInt8>) -> Int {
    lead.withUnsafeBytes { lead in
      content.withUnsafeBytes { content in
        tail.withUnsafeBytes { tail in
          var pieces: [3 of iovec] = [iovec(lead), iovec(content), iovec(tail)]
          return withUnsafeMutablePointer(to: &pieces) { pieces in
            pieces.withMemoryRebound(to: iovec.self, capacity: 3) { writev(descriptor.raw, $0, tail.isEmpty ? 2 : 3) }
          }
        }
      }
    }
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
