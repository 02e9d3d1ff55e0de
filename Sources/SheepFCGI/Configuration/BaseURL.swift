import Streaming

/// The part of a provider's URL that the user sets; the wire appends its own path.
enum BaseURL {
  /// What is wrong with it, and what to write. Never holds the URL, in which somebody may have put a key.
  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// `text` without slashes at its end.
  static func parse(_ text: String, wire: Wire) throws(Invalid) -> String {
    let lower = text.lowercased()
    guard let scheme = ["https://", "http://"].first(where: lower.hasPrefix) else {
      throw Invalid(description: "does not begin with http:// or https://; write it like https://api.example.com/v1")
    }
    guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
      throw Invalid(description: "holds a space, a control character or a letter beyond ASCII; percent-encode it")
    }
    guard !text.contains("?"), !text.contains("#") else {
      throw Invalid(description: "has a query or a fragment, but a path is appended to it; write it up to the path")
    }
    let authority = text.dropFirst(scheme.count).prefix { $0 != "/" }
    guard !authority.contains("@") else {
      throw Invalid(description: "holds a user or password; name the key with api_key")
    }
    guard isAuthority(authority) else {
      throw Invalid(description: "names no host, or a port that is none; write it like https://api.example.com/v1")
    }
    var url = text[...]
    while url.hasSuffix("/") { url.removeLast() }
    // As its maker's own library takes it; the request's path would have it twice.
    guard wire != .anthropic || !url.hasSuffix("/v1") else {
      throw Invalid(description: "ends in /v1, which the anthropic wire appends; write it without")
    }
    return String(url)
  }

  /// `host`, `host:port` or `[IPv6]:port`.
  private static func isAuthority(_ authority: Substring) -> Bool {
    var rest = authority
    if rest.hasPrefix("["), let bracket = rest.firstIndex(of: "]") {
      rest = rest[rest.index(after: bracket)...]
      if rest.isEmpty { return true }
    } else {
      let host = rest.prefix { $0 != ":" }
      if host.isEmpty { return false }
      rest = rest.dropFirst(host.count)
      if rest.isEmpty { return true }
    }
    return rest.hasPrefix(":") && (UInt16(rest.dropFirst()).map { $0 > 0 } ?? false)
  }
}
