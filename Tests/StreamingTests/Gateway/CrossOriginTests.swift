import Testing

@testable import Streaming

/// DESIGN section 3, "Who may ask".
struct CrossOriginTests {
  private static let listed = CrossOrigin(
    allowed: ["https://app.example", "http://localhost:3000"], allowsCredentials: false)
  private static let open = CrossOrigin(allowed: ["*"], allowsCredentials: false)
  private static let closed = CrossOrigin(allowed: [], allowsCredentials: false)

  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var params: [(String, String)]
    var admitted: Bool

    init(_ description: String, _ admitted: Bool, _ params: (String, String)...) {
      (testDescription, self.params, self.admitted) = (description, params, admitted)
    }
  }

  private static func origin(_ value: String) -> (String, String) { ("HTTP_ORIGIN", value) }
  private static func site(_ value: String) -> (String, String) { ("HTTP_SEC_FETCH_SITE", value) }
  private static func host(_ value: String) -> (String, String) { ("HTTP_HOST", value) }

  @Test(arguments: [
    Row("curl, which says nothing", true, host("h.example")),
    Row("an address typed in", true, site("none"), host("h.example")),
    Row("our own page", true, site("same-origin"), origin("https://h.example"), host("h.example")),
    Row("our own page's GET", true, site("same-origin"), host("h.example")),
    Row("another site's image", false, site("cross-site"), host("h.example")),
    Row("a neighbour's image", false, site("same-site"), host("h.example")),
    Row("an unheard-of kind of site", false, site("other"), host("h.example")),
    Row("another site's fetch", false, site("cross-site"), origin("https://evil.example"), host("h.example")),
    Row("Sec-Fetch-Site before the host", false, site("cross-site"), origin("https://h.example"), host("h.example")),
    Row("an allowed origin", true, origin("https://app.example"), host("h.example")),
    Row("an allowed origin from elsewhere", true, site("cross-site"), origin("https://app.example"), host("h.example")),
    Row("an allowed origin with a port", true, site("same-site"), origin("http://localhost:3000"), host("h.example")),
    Row("its other port", false, site("cross-site"), origin("http://localhost:3001"), host("h.example")),
    Row("its other scheme", false, site("cross-site"), origin("http://app.example"), host("h.example")),
    Row("a name that begins like an allowed one", false, origin("https://app.example.evil"), host("h.example")),
    Row("the Host by name", true, origin("https://h.example"), host("h.example")),
    Row("another scheme and port", true, origin("http://h.example:8080"), host("h.example")),
    Row("the Host's own port", true, origin("https://h.example"), host("h.example:8443")),
    Row("other letters' case", true, origin("https://h.example"), host("H.Example")),
    Row("another name", false, origin("https://evil.example"), host("h.example")),
    Row("a name that begins like the Host", false, origin("https://h.example.evil"), host("h.example")),
    Row("a name that ends like the Host", false, origin("https://evilh.example"), host("h.example")),
    Row("an IPv6 host", true, origin("http://[::1]:8080"), host("[::1]")),
    Row("another IPv6 host", false, origin("http://[::2]:8080"), host("[::1]")),
    Row("an IPv4 host", true, origin("http://127.0.0.1:8080"), host("127.0.0.1:8080")),
    Row("no Host to match", false, origin("https://h.example")),
    Row("an origin that is none", false, origin("h.example"), host("h.example")),
    Row("null", false, origin("null"), host("h.example")),
    Row("null though it says same-origin", false, origin("null"), site("same-origin"), host("h.example")),
    Row("null for a host named so", false, origin("null"), host("null")),
    Row(
      "SHEEP_ORIGIN, exactly", true, origin("https://s.example"), ("SHEEP_ORIGIN", "https://s.example"),
      host("h.example")),
    Row(
      "another than SHEEP_ORIGIN", false, origin("https://h.example"), ("SHEEP_ORIGIN", "https://s.example"),
      host("h.example")),
    Row(
      "SHEEP_ORIGIN on another port", false, origin("https://s.example:1"), ("SHEEP_ORIGIN", "https://s.example"),
      host("h.example")),
    Row(
      "Sec-Fetch-Site before SHEEP_ORIGIN", false, site("cross-site"), origin("https://s.example"),
      ("SHEEP_ORIGIN", "https://s.example")),
    Row(
      "a forged SHEEP_ORIGIN", false, origin("https://evil.example"), ("HTTP_SHEEP_ORIGIN", "https://evil.example"),
      host("h.example")),
  ])
  func `who may ask where two origins are allowed`(row: Row) {
    #expect(Self.listed.admits(.of(row.params)) == row.admitted)
  }

  @Test func `where every origin is allowed, only null and a bare cross-site request may not ask`() {
    #expect(Self.open.admits(["HTTP_ORIGIN": "https://any.example", "HTTP_SEC_FETCH_SITE": "cross-site"]))
    #expect(!Self.open.admits(["HTTP_ORIGIN": "null"]))
    #expect(!Self.open.admits(["HTTP_SEC_FETCH_SITE": "cross-site"]))
  }

  // MARK: Fields

  private func fields(_ rule: CrossOrigin, _ params: Params) -> [String: String] {
    Dictionary(uniqueKeysWithValues: rule.fields(for: params).map { ($0.name, $0.value) })
  }

  @Test func `an allowed origin may read the answer, its id and when to come back`() {
    let told = fields(Self.listed, ["HTTP_ORIGIN": "https://app.example"])
    #expect(told["Access-Control-Allow-Origin"] == "https://app.example")
    #expect(told["Access-Control-Expose-Headers"]?.contains("X-Request-Id") == true)
    #expect(told["Access-Control-Expose-Headers"]?.contains("Retry-After") == true)
    #expect(told["Access-Control-Allow-Credentials"] == nil)
    #expect(told["Vary"] == "Origin")
  }

  @Test(arguments: ["https://evil.example", "null", "https://app.example/"])
  func `another origin is told nothing but that the answer varies`(origin: String) {
    #expect(fields(Self.listed, ["HTTP_ORIGIN": origin]) == ["Vary": "Origin"])
    #expect(fields(Self.listed, [:]) == ["Vary": "Origin"])
  }

  @Test func `without any allowed origin there is nothing to tell`() {
    #expect(fields(Self.closed, ["HTTP_ORIGIN": "https://app.example"]).isEmpty)
  }

  @Test func `credentials are allowed to a named origin, never to all`() {
    let named = CrossOrigin(allowed: ["https://app.example"], allowsCredentials: true)
    #expect(fields(named, ["HTTP_ORIGIN": "https://app.example"])["Access-Control-Allow-Credentials"] == "true")
    let all = CrossOrigin(allowed: ["*"], allowsCredentials: true)
    let told = fields(all, ["HTTP_ORIGIN": "https://app.example"])
    #expect(told["Access-Control-Allow-Origin"] == "*")
    #expect(told["Access-Control-Allow-Credentials"] == nil)
  }

  @Test func `a preflight is told the methods and the fields that a page may send`() {
    let told = preflight(["HTTP_ORIGIN": "https://elsewhere.example", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "x-odd"])
    #expect(told["Allow"] == "GET, POST, OPTIONS")
    #expect(told["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS")
    #expect(told["Access-Control-Allow-Headers"]?.contains("Content-Type") == true)
    #expect(told["Access-Control-Allow-Headers"]?.contains("Last-Event-ID") == true)
    #expect(told["Access-Control-Max-Age"].flatMap { Int($0) } ?? 0 > 0)
  }

  @Test func `a page of an allowed origin may send the fields that it names`() {
    let told = preflight([
      "HTTP_ORIGIN": "https://app.example", "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "authorization, x-stainless-os",
    ])
    #expect(told["Access-Control-Allow-Headers"] == "authorization, x-stainless-os")
  }

  private func preflight(_ params: [String: String]) -> [String: String] {
    let open = CrossOrigin(allowed: ["https://app.example"], allowsCredentials: false)
    let fields = open.preflight(.of(params.map { ($0.key, $0.value) }), allow: "GET, POST, OPTIONS")
    return Dictionary(uniqueKeysWithValues: fields.map { ($0.name, $0.value) })
  }
}
