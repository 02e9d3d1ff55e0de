import CCurl
import Streaming

/// One provider as a worker calls it: where, with which headers, and whether its name is known. Bound to the worker's
/// thread; a reload of the settings makes new ones.
final class ProviderEndpoint {
  let provider: Settings.Provider
  let standing: ProviderStanding
  /// One list for each key; one where there is none.
  private let headers: [StringList]
  let gate: NameGate
  /// Makes libcurl forget the host's address (CURLOPT_RESOLVE).
  let forgetting: StringList

  /// - Parameter start: hands a call to libcurl.
  init(
    _ provider: Settings.Provider, _ standing: ProviderStanding, start: @escaping (UpstreamCall) -> Void
  ) {
    self.provider = provider
    self.standing = standing
    let keys = provider.apiKeys.isEmpty ? [nil] : provider.apiKeys.map(Optional.some)
    headers = keys.map { key in
      var lines = ["Content-Type: application/json", "Accept: text/event-stream", "Expect:"]
      // Without the header, any coding would be welcome (RFC 9110, section 12.5.3).
      lines.append("Accept-Encoding: identity")
      return StringList(lines + provider.headerLines(key: key))
    }
    gate = NameGate(start: start)
    forgetting = StringList(["-\(Self.hostAndPort(provider.baseURL))"])
  }

  /// Those of a request with that key.
  func headers(key: Int?) -> StringList { headers[key ?? 0] }

  private static func hostAndPort(_ url: String) -> String {
    let isTLS = url.lowercased().hasPrefix("https:")
    let authority = url.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }
    let hasPort = authority.drop { $0 != "]" && authority.first == "[" }.contains(":")
    return hasPort ? String(authority) : "\(authority):\(isTLS ? 443 : 80)"
  }
}

/// A list of strings as libcurl takes it. libcurl reads it as long as a transfer runs that was given it.
final class StringList {
  private(set) var list: UnsafeMutablePointer<curl_slist>?

  init(_ strings: [String]) {
    for string in strings { list = curl_slist_append(list, string) }
  }

  deinit {
    curl_slist_free_all(list)
  }
}
