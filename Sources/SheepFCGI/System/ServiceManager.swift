import Glibc
import Streaming

/// Word to whoever manages the service, by the protocol of sd_notify(3). Sends datagrams and waits for nothing: a manager
/// that does not listen is no reason to stop. Bound to the main thread.
final class ServiceManager {
  /// How often it wants to hear that we are alive (sd_watchdog_enabled(3)). Nil: never.
  let watchdogTime: Duration?

  private let socket: Descriptor
  private let address: [UInt8]

  /// - Parameter environment: NOTIFY_SOCKET, a path or, with an @ before it, an abstract name; WATCHDOG_USEC.
  /// - Returns: nil where nobody wants to hear from us.
  init?(_ environment: [String: String]) {
    let longest = MemoryLayout.size(ofValue: sockaddr_un().sun_path)
    let name = Array((environment["NOTIFY_SOCKET"] ?? "").utf8)
    guard let first = name.first, [UInt8(ascii: "/"), UInt8(ascii: "@")].contains(first), name.count < longest else {
      return nil
    }
    let opened = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard opened >= 0 else { return nil }
    socket = Descriptor(owning: opened)
    // The kernel marks an abstract name by a NUL in its first place (unix(7)).
    address = first == UInt8(ascii: "@") ? [0] + name.dropFirst() : name
    let isOurs = environment["WATCHDOG_PID"].map { pid_t($0) == getpid() } ?? true
    watchdogTime = isOurs ? environment["WATCHDOG_USEC"].flatMap(Int64.init).flatMap(Self.duration) : nil
  }

  private static func duration(microseconds: Int64) -> Duration? {
    microseconds > 0 && microseconds < 1 << 50 ? .microseconds(microseconds) : nil
  }

  /// - Parameter assignments: as in `READY=1`.
  func tell(_ assignments: String...) {
    var target = sockaddr_un()
    target.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &target.sun_path) { $0.copyBytes(from: address) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + address.count)
    var text = assignments.joined(separator: "\n")
    text.withUTF8 { bytes in
      withUnsafePointer(to: target) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
          _ = sendto(
            socket.raw, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL), name, length)
        }
      }
    }
  }
}
