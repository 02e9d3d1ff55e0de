/// An address, or a network of them in CIDR notation (RFC 4632, RFC 4291): `127.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
public struct HostNetwork: Equatable, Sendable {
  private let base: HostAddress
  /// Leading bits that count, of 128; an IPv4 network's begin behind the prefix that maps it.
  private let bits: Int

  /// Nil: `text` is neither an address nor a network, or a network with bits set beyond its prefix, which is a slip.
  public init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let address = HostAddress(parts[0]) else { return nil }
    let isIPv4 = !parts[0].contains(":")
    var bits = 128
    if parts.count == 2 {
      guard !parts[1].isEmpty, parts[1].utf8.count <= 3, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
        let length = Int(parts[1]), length <= (isIPv4 ? 32 : 128)
      else { return nil }
      bits = isIPv4 ? 96 + length : length
    }
    base = address
    self.bits = bits
    guard address == Self.masked(address, to: bits) else { return nil }
  }

  public func contains(_ address: HostAddress) -> Bool { Self.masked(address, to: bits) == base }

  private static func masked(_ address: HostAddress, to bits: Int) -> HostAddress {
    HostAddress(
      high: address.high & ~(UInt64.max >> min(bits, 64)), low: address.low & ~(UInt64.max >> max(0, bits - 64)))
  }
}

extension [HostNetwork] {
  /// Whether the client of a request is in one of them, by what the web server says of it (REMOTE_ADDR). A client on the
  /// web server's Unix socket is on this machine; one of whom nothing is said is nobody's.
  public func admit(remoteAddress: String?) -> Bool {
    guard let text = remoteAddress else { return false }
    guard let address = text == "unix:" ? HostAddress("127.0.0.1") : HostAddress(text) else { return false }
    return contains { $0.contains(address) }
  }
}
