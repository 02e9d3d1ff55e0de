import Streaming

/// What is known of a request whatever its answer will be.
struct RequestContext {
  /// The web server's id for it, or ours where it gives none.
  let id: String
  let route: String
  /// The client's address, as the web server gave it; empty where it gave none.
  let client: String
  let startedAt: Instant
  /// Who asks, where that is known by a key.
  var key: ClientKey?
  /// Header fields of every answer.
  let fields: [(name: String, value: String)]

  init(_ request: Request, _ crossOrigin: CrossOrigin, at now: Instant) {
    id = Self.id(request.params["REQUEST_ID"])
    route = request.path.utf8.count <= 100 ? request.path : String(request.path.prefix(100))
    client = request.params["REMOTE_ADDR"] ?? ""
    startedAt = now
    fields = [("X-Request-Id", id)] + crossOrigin.fields(for: request.params)
  }

  /// It goes into a header and a log line, so it must look like one.
  private static func id(_ given: String?) -> String {
    if let given, given.utf8.count <= 128, given.utf8.allSatisfy(isIDByte) { return given }
    let number = UInt128.random(in: 0...UInt128.max)
    return String(unsafeUninitializedCapacity: 32) { text in
      for place in 0..<32 {
        let digit = UInt8(truncatingIfNeeded: number >> UInt128(4 * place)) & 15
        text.initializeElement(at: place, to: digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
      }
      return 32
    }
  }

  private static func isIDByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
      true
    default: false
    }
  }
}
