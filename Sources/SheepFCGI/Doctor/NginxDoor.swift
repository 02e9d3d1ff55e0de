import Streaming

/// Whether a location is closed to strangers.
struct NginxDoor {
  private let pass: NginxPass

  init(_ pass: NginxPass) {
    self.pass = pass
  }

  /// By address, by password, or because a location that fits better takes the path.
  func isClosed(for path: String) -> Bool {
    listensHereOnly || refusesStrangers || asksWhoComes || isTakenElsewhere(path)
  }

  /// The first rule that fits decides (ngx_http_access_module); a stranger's address fits none but `all`.
  private var refusesStrangers: Bool {
    for level in pass.levels {
      let rules = level.filter { $0.name == "allow" || $0.name == "deny" }
      if rules.isEmpty { continue }
      return rules.first { $0.value == "all" || $0.value.hasSuffix("/0") }?.name == "deny"
    }
    return false
  }

  private var asksWhoComes: Bool {
    ["auth_basic", "auth_request", "auth_jwt"].contains { name in
      pass.directive(name).map { $0.value != "off" } ?? false
    } || pass.directive("ssl_verify_client")?.value == "on" || pass.levels[0].last("internal") != nil
  }

  private var listensHereOnly: Bool {
    let listens = pass.server.all("listen")
    guard !listens.isEmpty else { return false }
    return listens.allSatisfy { listen in
      if listen.value.hasPrefix("unix:") { return true }
      var host = listen.value[...]
      if host.hasPrefix("[") {
        host = host.dropFirst().prefix { $0 != "]" }
      } else if let colon = host.lastIndex(of: ":") {
        host = host[..<colon]
      }
      return host == "localhost" || HostAddress(host)?.isLoopback == true
    }
  }

  /// Exact locations go before regular expressions, and these before prefixes, of which the longest counts.
  private func isTakenElsewhere(_ path: String) -> Bool {
    let mine = pass.location
    guard mine.modifier != "=" else { return false }
    let fitting = Self.locations(in: pass.server).filter { $0.matches(path) }
    // Of several expressions the first counts.
    if mine.isRegular, let first = fitting.first(where: \.isRegular), first != mine { return true }
    return fitting.contains { other in
      if other.modifier == "=" { return true }
      if mine.isRegular { return other.modifier == "^~" }
      return other.isRegular ? mine.modifier != "^~" : other.pattern.count > mine.pattern.count
    }
  }

  private static func locations(in block: [NginxDirective]) -> [NginxLocation] {
    block.all("location").flatMap { [NginxLocation(arguments: $0.arguments)] + locations(in: $0.block ?? []) }
  }
}
