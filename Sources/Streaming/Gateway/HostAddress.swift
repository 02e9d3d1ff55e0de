import Glibc

/// An IP address without a port. IPv4 and the IPv6 address that maps it are one and the same.
public struct HostAddress: Hashable, Sendable {
  let high: UInt64
  let low: UInt64

  /// The sixteen bytes in two words.
  public var words: (high: UInt64, low: UInt64) { (high, low) }

  static let mapped: UInt64 = 0xffff << 32

  init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  public init(ipv4 address: in_addr) {
    high = 0
    low = Self.mapped | UInt64(UInt32(bigEndian: address.s_addr))
  }

  public init(ipv6 address: in6_addr) {
    (high, low) = withUnsafeBytes(of: address) { bytes in
      (
        UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
        UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      )
    }
  }

  /// Nil: `text` is neither an IPv4 nor an IPv6 address. Names are not looked up.
  public init?(_ text: some StringProtocol) {
    let text = String(text)
    var ipv4 = in_addr()
    var ipv6 = in6_addr()
    if inet_pton(AF_INET, text, &ipv4) == 1 {
      self.init(ipv4: ipv4)
    } else if inet_pton(AF_INET6, text, &ipv6) == 1 {
      self.init(ipv6: ipv6)
    } else {
      return nil
    }
  }

  /// Whether only this machine can be there: 127.0.0.0/8, ::1.
  public var isLoopback: Bool {
    high == 0 && (low == 1 || low >> 24 == (Self.mapped | 0x7f00_0000) >> 24)
  }
}
