import Streaming

/// What a location that leads to us must have in place, one rule a function: nil where it is in order.
struct NginxRules {
  private let pass: NginxPass
  private let upstream: NginxUpstream
  private let settings: Settings
  private let routes: Set<String>

  init(_ pass: NginxPass, _ upstream: NginxUpstream, _ settings: Settings) {
    self.pass = pass
    self.upstream = upstream
    self.settings = settings
    routes = pass.location.routes
  }

  var findings: [Finding] {
    var found: [Finding?] = [keptConnection, keepaliveTimeout, operatorsRoutes]
    if !routes.isDisjoint(with: Self.generations) {
      found += [
        buffering, readTimeout, bodySize, requestBuffering, compression, clientAbort, nextUpstream, requestID,
      ]
    }
    return found.compactMap { $0 }
  }

  private static let generations: Set = ["/stream", "/stream-backpressure", "/v1/chat/completions"]

  private var servesChat: Bool { routes.contains("/v1/chat/completions") }
  /// What stands before nginx's own names.
  private var prefix: String { pass.wire.rawValue }

  private func warning(_ check: String, _ text: String, _ remedy: String) -> Finding {
    .warning("nginx.\(check)", pass.title, text, remedy)
  }

  private func problem(_ check: String, _ text: String, _ remedy: String) -> Finding {
    .problem("nginx.\(check)", pass.title, text, remedy)
  }

  // MARK: The stream

  private var buffering: Finding? {
    guard pass.isOn("buffering", unlessSet: true) else { return nil }
    let remedy = "set \(prefix)_buffering off"
    if pass.own("ignore_headers")?.arguments.contains(where: { $0.lowercased() == "x-accel-buffering" }) == true {
      return problem(
        "buffering", "nginx gathers the tokens, and ignores the answer's X-Accel-Buffering: no",
        "\(remedy), and take X-Accel-Buffering out of \(prefix)_ignore_headers")
    }
    return warning(
      "buffering",
      "\(prefix)_buffering is on; that tokens come one by one hangs on the answer's X-Accel-Buffering alone", remedy)
  }

  /// nginx's runs between two reads (ngx_http_fastcgi_module): a ping must come before its end.
  private var readTimeout: Finding? {
    let name = "\(prefix)_read_timeout"
    let limit = pass.own("read_timeout").flatMap { NginxValue.duration($0.value) } ?? .seconds(60)
    let silence = max(settings.timeouts.hold, settings.timeouts.ping)
    if limit <= silence {
      return problem(
        "read_timeout", "\(name) is \(limit), and the program may say nothing for \(silence) (timeouts.ping, hold)",
        "set \(name) to \(Self.seconds(silence * 2)) or more, or lower timeouts.ping and hold")
    }
    if servesChat, limit < settings.timeouts.total {
      return warning(
        "read_timeout",
        "\(name) is \(limit): an answer that is not streamed cannot ping, and may take \(settings.timeouts.total)",
        "set \(name) to \(Self.seconds(settings.timeouts.total + .seconds(10)))")
    }
    guard limit < silence + .seconds(5) else { return nil }
    return warning(
      "read_timeout", "\(name) is \(limit), and the program may say nothing for \(silence): a busy machine may be late",
      "set \(name) to \(Self.seconds(silence * 2)) or more")
  }

  private static func seconds(_ duration: Duration) -> String {
    "\((duration.nanoseconds + 999_999_999) / 1_000_000_000)s"
  }

  private var compression: Finding? {
    guard pass.directive("gzip")?.value == "on" else { return nil }
    let types = pass.directive("gzip_types")?.arguments ?? []
    guard types.contains("*") || types.contains("text/event-stream") else { return nil }
    return warning("gzip", "event streams are compressed, which holds small tokens back and costs time", "set gzip off")
  }

  private var clientAbort: Finding? {
    guard pass.isOn("ignore_client_abort", unlessSet: false) else { return nil }
    return problem(
      "ignore_client_abort", "a client that leaves does not stop its provider, and the rest of the answer is paid for",
      "set \(prefix)_ignore_client_abort off")
  }

  private var nextUpstream: Finding? {
    guard pass.own("next_upstream")?.arguments.contains("non_idempotent") == true else { return nil }
    return problem(
      "next_upstream", "a POST that fails is sent again to the next server, and may be paid for twice",
      "take non_idempotent out of \(prefix)_next_upstream")
  }

  // MARK: The request

  private var bodySize: Finding? {
    let text = pass.directive("client_max_body_size")?.value ?? "1m"
    guard let bytes = NginxValue.bytes(text) else { return nil }
    let (limit, name) =
      servesChat
      ? (settings.limits.v1BodyBytes, "limits.v1_body_bytes") : (settings.limits.bodyBytes, "limits.body_bytes")
    if bytes == 0 || bytes > limit {
      let taken = bytes == 0 ? "any size" : "up to \(text)"
      return warning(
        "client_max_body_size", "nginx takes bodies of \(taken), and the program refuses those beyond \(limit) bytes",
        "set client_max_body_size to \(limit), or raise \(name)")
    }
    guard bytes < limit else { return nil }
    return warning(
      "client_max_body_size", "nginx refuses bodies beyond \(text), and \(name) is \(limit)",
      "set client_max_body_size to \(limit), or lower \(name)")
  }

  private var requestBuffering: Finding? {
    guard !pass.isOn("request_buffering", unlessSet: true) else { return nil }
    let limit = settings.timeouts.halfRequest
    return warning(
      "request_buffering", "a slow upload occupies a connection, and is cut off after \(limit) (timeouts.half_request)",
      "set \(prefix)_request_buffering on")
  }

  private var requestID: Finding? {
    guard !pass.parameters.contains("REQUEST_ID") else { return nil }
    return warning(
      "request_id", "nginx's log and the program's have different ids for a request",
      "add \(prefix)_param REQUEST_ID $request_id")
  }

  // MARK: The connection

  private var keptConnection: Finding? {
    // nginx keeps no SCGI connection.
    guard pass.wire == .fastcgi else { return nil }
    let keeps = pass.isOn("keep_conn", unlessSet: false)
    if upstream.keepalive > 0, !keeps {
      return warning(
        "keep_conn", "the upstream would keep connections, but each is closed after its request",
        "set fastcgi_keep_conn on")
    }
    guard keeps, upstream.keepalive == 0 else { return nil }
    let remedy = upstream.name == nil ? "name an upstream with keepalive 64" : "add keepalive 64 to the upstream"
    return .warning(
      "nginx.keepalive", upstream.title ?? pass.title, "connections may be kept, but nginx keeps none", remedy)
  }

  /// Who closes first decides: nginx notices ours too late for the POST that it has just sent, and does not repeat it.
  private var keepaliveTimeout: Finding? {
    let ours = settings.timeouts.idleConnection
    guard pass.wire == .fastcgi, upstream.keepalive > 0, upstream.keepaliveTimeout >= ours else { return nil }
    let theirs = upstream.keepaliveTimeout
    return .problem(
      "nginx.keepalive_timeout", upstream.title ?? pass.title,
      "nginx keeps an idle connection for \(theirs), the program for \(ours): a POST may meet a closed one",
      "set timeouts.idle_connection to \(Self.seconds(theirs * 2)), or the upstream's keepalive_timeout lower")
  }

  // MARK: Who may ask

  private var operatorsRoutes: Finding? {
    let open = ["/status", "/metrics"].filter { routes.contains($0) && !NginxDoor(pass).isClosed(for: $0) }
    guard !open.isEmpty else { return nil }
    return problem(
      "operators_routes", "\(open.joined(separator: " and ")) can be read by everyone",
      "give \(open.count == 1 ? "it" : "them") a location with allow 127.0.0.1; deny all;")
  }
}
