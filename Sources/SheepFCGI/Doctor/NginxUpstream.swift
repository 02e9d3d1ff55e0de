import Streaming

/// Where nginx's configuration leads to: upstreams, and the addresses in them.
struct NginxUpstream {
  /// Nil: the address stands in the location itself.
  let name: String?
  /// Where it is, as `FILE:LINE`; nil likewise.
  let place: String?
  /// As `unix:/path` or `host:port`.
  let servers: [String]
  /// Connections that are kept; 0: none are.
  let keepalive: Int
  let keepaliveTimeout: Duration

  /// nginx's own, where the upstream sets none.
  private static let presetTimeout = Duration.seconds(60)

  /// - Parameter target: of a `fastcgi_pass` or `scgi_pass`.
  init(_ target: String, in configuration: NginxConfiguration) {
    let upstreams = configuration.directives.blocks("http").flatMap { $0.all("upstream") }
    guard let upstream = upstreams.last(where: { $0.value == target }), let block = upstream.block else {
      self.init(name: nil, place: nil, servers: [target], keepalive: 0, keepaliveTimeout: Self.presetTimeout)
      return
    }
    self.init(
      name: target, place: upstream.place, servers: block.all("server").map(\.value),
      keepalive: block.last("keepalive").flatMap { Int($0.value) } ?? 0,
      keepaliveTimeout: block.last("keepalive_timeout").flatMap { NginxValue.duration($0.value) } ?? Self.presetTimeout)
  }

  private init(name: String?, place: String?, servers: [String], keepalive: Int, keepaliveTimeout: Duration) {
    self.name = name
    self.place = place
    self.servers = servers
    self.keepalive = keepalive
    self.keepaliveTimeout = keepaliveTimeout
  }

  /// As messages name it; nil: it is none.
  var title: String? { name.flatMap { name in place.map { "upstream \(name) (\($0))" } } }

  /// Whether one of the servers is that address. Names other than localhost are compared and not looked up.
  func leads(to address: ListenAddress) -> Bool {
    servers.contains { server in
      switch address {
      case .unix(let path):
        // An address may end in a colon, after which a path could follow.
        server.hasPrefix("unix:") && Self.canonical(String(server.dropFirst(5))) == Self.canonical(path)
      case .tcp(let host, let port):
        Self.isSame(server, host, port)
      }
    }
  }

  /// /var/run is /run, under another name.
  private static func canonical(_ path: String) -> String {
    var path = path
    if path.hasSuffix(":") { path.removeLast() }
    return path.hasPrefix("/var/run/") ? String(path.dropFirst(4)) : path
  }

  private static func isSame(_ server: String, _ host: String, _ port: UInt16) -> Bool {
    guard !server.hasPrefix("unix:"), server.hasSuffix(":\(port)") else { return false }
    var name = server.dropLast(String(port).utf8.count + 1)
    if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
    let isEverywhere = host == "0.0.0.0" || host == "::"
    let isHere = { (name: String) in name == "localhost" || HostAddress(name)?.isLoopback == true }
    return isEverywhere || name == host || (isHere(String(name)) && isHere(host))
  }
}
