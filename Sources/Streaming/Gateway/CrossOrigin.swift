/// Which pages of other sites may ask, and what their browsers are told (Fetch standard, CORS).
public struct CrossOrigin: Sendable {
  /// Exact origins, or `*`.
  public var allowed: [String]
  public var allowsCredentials: Bool

  public init(allowed: [String], allowsCredentials: Bool) {
    self.allowed = allowed
    self.allowsCredentials = allowsCredentials
  }

  /// Whether this request may cost the site money: a hidden image on some page must not.
  public func admits(_ params: Params) -> Bool {
    let origin = params["HTTP_ORIGIN"]
    if origin == "null" { return false }
    if let origin, allows(origin) { return true }
    if let site = params["HTTP_SEC_FETCH_SITE"] { return site == "same-origin" || site == "none" }
    guard let origin else { return true }
    if let own = params["SHEEP_ORIGIN"] { return origin == own }
    // Debian's fastcgi_params gives HTTP_HOST without its port, and no proxy tells the browser's scheme for sure.
    guard let host = params["HTTP_HOST"], let scheme = origin.firstRange(of: "://") else { return false }
    return Self.name(origin[scheme.upperBound...]) == Self.name(host[...])
  }

  /// The fields that let a page of an allowed origin read the answer.
  public func fields(for params: Params) -> [(name: String, value: String)] {
    guard !allowed.isEmpty else { return [] }
    var fields = [(name: "Vary", value: "Origin")]
    guard let origin = params["HTTP_ORIGIN"], allows(origin) else { return fields }
    let isOpen = allowed.contains("*")
    fields.append(("Access-Control-Allow-Origin", isOpen ? "*" : origin))
    fields.append(("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, X-Should-Retry"))
    if allowsCredentials, !isOpen { fields.append(("Access-Control-Allow-Credentials", "true")) }
    return fields
  }

  /// What the browser asks before it lets a page ask. OpenAI's library for browsers sends a dozen headers of its own,
  /// so an allowed page may send whatever it names.
  public func preflight(_ params: Params, allow: String) -> [(name: String, value: String)] {
    var headers = "Content-Type, Last-Event-ID"
    if let origin = params["HTTP_ORIGIN"], allows(origin),
      let named = params["HTTP_ACCESS_CONTROL_REQUEST_HEADERS"], named.utf8.count <= 2048,
      named.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F || $0 == 0x20 })
    {
      headers = named.split { $0 == "," || $0 == " " }.joined(separator: ", ")
    }
    return [
      ("Allow", allow), ("Access-Control-Allow-Methods", allow), ("Access-Control-Allow-Headers", headers),
      ("Access-Control-Max-Age", "86400"),
    ]
  }

  private func allows(_ origin: String) -> Bool {
    origin != "null" && (allowed.contains("*") || allowed.contains(origin))
  }

  /// A host's name without its port, in lower case.
  private static func name(_ authority: Substring) -> String {
    if authority.first == "[" { return authority.prefix { $0 != "]" }.lowercased() }
    return authority.prefix { $0 != ":" && $0 != "/" }.lowercased()
  }
}
