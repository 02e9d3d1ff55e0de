/// A name under which a client may ask, with what it may have.
public final class ClientKey: Sendable {
  public let name: String
  /// Of the form `provider/model` or `provider/*`. Nil: all.
  public let models: [String]?
  public let quota: Quota

  public init(name: String, models: [String]?, quota: Quota) {
    self.name = name
    self.models = models
    self.quota = quota
  }

  /// - Parameter model: `provider/model`, as resolved.
  public func allows(_ model: String) -> Bool {
    guard let models else { return true }
    return models.contains { $0 == model || $0.hasSuffix("/*") && model.hasPrefix($0.dropLast()) }
  }
}

/// The keys that clients may ask with.
///
/// What is presented is compared with all of them, each to its end, and nothing branches on what it holds: how long that
/// takes tells nothing about a key, nor whether there is one that begins so.
public struct ClientKeys: Sendable {
  /// The longest key, in bytes.
  public static let longestBytes = 512

  private struct Row: Sendable {
    /// Words of eight bytes in `words`; the last is filled up with zeros.
    let start: Int
    let length: Int
  }

  private var rows: [Row] = []
  private var owners: [ClientKey] = []
  private var words: [UInt64] = []

  public init() {}

  public var count: Int { rows.count }

  /// - Parameter key: from 1 to `longestBytes` bytes, none of them zero, and no key that is there already.
  public mutating func add(_ key: String, of owner: ClientKey) {
    let bytes = Array(key.utf8)
    rows.append(Row(start: words.count, length: bytes.count))
    owners.append(owner)
    words += Self.words(of: bytes, count: (bytes.count + 7) / 8)
  }

  /// Whose key it is; nil: nobody's.
  public func owner(of presented: some Collection<UInt8>) -> ClientKey? {
    // Its length is no secret of ours.
    guard presented.count <= Self.longestBytes else { return nil }
    let given = Self.words(of: Array(presented), count: Self.longestBytes / 8)
    let (rows, words, other) = (rows.span, words.span, given.span)
    let length = presented.count
    // A number from 1; no two keys are the same, so at most one adds to it.
    var found: UInt64 = 0
    for index in rows.indices {
      let row = rows[index]
      var difference = UInt64(truncatingIfNeeded: row.length ^ length)
      for word in 0..<(row.length + 7) / 8 { difference |= words[row.start + word] ^ other[word] }
      let isSame = ((difference | (0 &- difference)) >> 63) ^ 1
      found |= isSame &* UInt64(truncatingIfNeeded: index + 1)
    }
    return found == 0 ? nil : owners[Int(found) - 1]
  }

  private static func words(of bytes: [UInt8], count: Int) -> [UInt64] {
    var words = [UInt64](repeating: 0, count: count)
    for index in bytes.indices { words[index >> 3] |= UInt64(bytes[index]) << UInt64((index & 7) * 8) }
    return words
  }

  /// The key that a request brings: `Authorization: Bearer …` (RFC 6750, section 2.1), or `X-Api-Key`. Nil: none. Another
  /// scheme of Authorization is the site's own affair.
  public static func presented(_ params: Params) -> ArraySlice<UInt8>? {
    if let field = params.raw("HTTP_AUTHORIZATION"), let key = bearer(field) { return key }
    guard let field = params.raw("HTTP_X_API_KEY"), !field.isEmpty else { return nil }
    return field
  }

  private static func bearer(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    let scheme = "bearer".utf8
    guard field.count > scheme.count, zip(field, scheme).allSatisfy({ $0 | 0x20 == $1 }) else { return nil }
    let rest = field.dropFirst(scheme.count)
    guard rest.first == UInt8(ascii: " ") else { return nil }
    return rest.drop { $0 == UInt8(ascii: " ") }
  }
}
