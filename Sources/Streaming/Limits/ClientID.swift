/// Who a client is, as far as limits go: small, of one size, and the same in every process.
public struct ClientID: Hashable, Sendable {
  private enum Kind: UInt8 { case address, text }

  private let kind: Kind
  private let high: UInt64
  private let low: UInt64

  /// An IPv6 address, in which IPv4 has its place too (RFC 4291, section 2.5.5.2). A subscriber has a whole /64 of
  /// IPv6 at least (RFC 6177), so that is one client; of IPv4 each address is.
  public init(addressHigh high: UInt64, low: UInt64) {
    kind = .address
    self.high = high
    self.low = high == 0 ? low : 0
  }

  /// Whatever else tells clients apart. Neither the ledger nor Redis gets to hold the text, which may be a secret:
  /// FNV-1a of 128 bits stands for it. Who can choose the text needs no two that are the same to be someone else.
  public init(text: String) {
    let prime: UInt128 = 0x0000_0000_0100_0000_0000_0000_0000_013b
    var hash: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
    for byte in text.utf8 { hash = (hash ^ UInt128(byte)) &* prime }
    kind = .text
    high = UInt64(truncatingIfNeeded: hash >> 64)
    low = UInt64(truncatingIfNeeded: hash)
  }

  /// For a name in Redis.
  public var name: String {
    (kind == .address ? "a" : "t") + Self.hexadecimal(high) + Self.hexadecimal(low)
  }

  private static func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
