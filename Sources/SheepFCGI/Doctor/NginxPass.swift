/// A place in nginx's configuration that passes requests on to a FastCGI or SCGI application.
struct NginxPass {
  enum Wire: String { case fastcgi, scgi }

  let wire: Wire
  /// An upstream's name, or an address.
  let target: String
  let location: NginxLocation
  /// The blocks that it stands in, the innermost first: what one does not set, the next one may.
  let levels: [[NginxDirective]]
  /// The server block.
  let server: [NginxDirective]
  let place: String

  /// A simple directive that is in force here.
  func directive(_ name: String) -> NginxDirective? {
    for level in levels { if let found = level.last(name) { return found } }
    return nil
  }

  /// All of a directive that can be repeated: one block's hide those of the blocks around it.
  func directives(_ name: String) -> [NginxDirective] {
    for level in levels {
      let found = level.all(name)
      if !found.isEmpty { return found }
    }
    return []
  }

  /// `fastcgi_NAME` or `scgi_NAME`.
  func own(_ name: String) -> NginxDirective? { directive("\(wire.rawValue)_\(name)") }

  func isOn(_ name: String, unlessSet preset: Bool) -> Bool { own(name).map { $0.value == "on" } ?? preset }

  /// Names of parameters that the application is sent.
  var parameters: Set<String> { Set(directives("\(wire.rawValue)_param").map(\.value)) }

  /// As messages name it.
  var title: String { "\(location.title) (\(place))" }

  static func all(in configuration: NginxConfiguration) -> [NginxPass] {
    var found: [NginxPass] = []
    let main = configuration.directives
    for http in main.blocks("http") {
      for server in http.blocks("server") {
        find(in: server, NginxLocation(arguments: ["/"]), [http, main], server, &found)
      }
    }
    return found
  }

  private static func find(
    in block: [NginxDirective], _ location: NginxLocation, _ outer: [[NginxDirective]], _ server: [NginxDirective],
    _ found: inout [NginxPass]
  ) {
    let levels = [block] + outer
    for directive in block {
      switch directive.name {
      case "fastcgi_pass", "scgi_pass":
        found.append(
          NginxPass(
            wire: directive.name == "scgi_pass" ? .scgi : .fastcgi, target: directive.value, location: location,
            levels: levels, server: server, place: directive.place))
      case "location":
        find(in: directive.block ?? [], NginxLocation(arguments: directive.arguments), levels, server, &found)
      case "if", "limit_except": find(in: directive.block ?? [], location, levels, server, &found)
      default: break
      }
    }
  }
}

/// What a `location` matches.
struct NginxLocation: Equatable {
  /// `=`, `^~`, `~`, `~*`, or empty.
  let modifier: String
  let pattern: String

  init(arguments: [String]) {
    if let first = arguments.first, ["=", "^~", "~", "~*"].contains(first) {
      modifier = first
      pattern = arguments.dropFirst().first ?? ""
    } else if let first = arguments.first, let glued = ["=", "^~", "~*", "~"].first(where: first.hasPrefix) {
      // nginx takes them without a space too.
      modifier = glued
      pattern = String(first.dropFirst(glued.count))
    } else {
      modifier = ""
      pattern = arguments.first ?? ""
    }
  }

  /// As messages name it: an expression may be long.
  var title: String {
    let shown = pattern.count > 40 ? "\(pattern.prefix(39))…" : pattern
    return ["location", modifier, shown].filter { !$0.isEmpty }.joined(separator: " ")
  }

  var isRegular: Bool { modifier.hasPrefix("~") }

  func matches(_ path: String) -> Bool {
    switch modifier {
    case "=": path == pattern
    case "~", "~*":
      // Of what PCRE has and Swift's expressions have not, no location is likely to hold any.
      (try? Regex(pattern).ignoresCase(modifier == "~*").firstMatch(in: path)) != nil
    default: path.hasPrefix(pattern)
    }
  }

  /// The program's routes that end up here, as far as can be told. Below a prefix of the site's the pattern's own words
  /// count; one without any of them leads to all.
  var routes: Set<String> {
    let matched = Self.routes.filter(matches)
    if !matched.isEmpty { return Set(matched) }
    let named = Self.routes.filter { pattern.contains($0) }
    return Set(named.isEmpty ? Self.routes : named)
  }

  static let routes = [
    "/stream", "/stream-backpressure", "/v1/chat/completions", "/v1/models", "/ping", "/status", "/metrics",
  ]
}

/// The values of nginx's directives.
enum NginxValue {
  /// `1m`, `16k`, `8192`. Nil: none.
  static func bytes(_ text: String) -> Int? {
    let unit: Int
    switch text.last {
    case "k", "K": unit = 1 << 10
    case "m", "M": unit = 1 << 20
    case "g", "G": unit = 1 << 30
    default: return Int(text)
    }
    return Int(text.dropLast()).map { $0 * unit }
  }

  /// `75s`, `610`, `1m 30s`, `500ms`. Nil: none.
  static func duration(_ text: String) -> Duration? {
    var total = Duration.zero
    var rest = text[...]
    guard !rest.isEmpty else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      guard let number = Int(digits) else { return nil }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count).drop { $0 == " " }
      switch unit {
      case "ms": total += .milliseconds(number)
      case "", "s": total += .seconds(number)
      case "m": total += .seconds(number * 60)
      case "h": total += .seconds(number * 3600)
      case "d": total += .seconds(number * 86_400)
      case "w": total += .seconds(number * 604_800)
      default: return nil
      }
    }
    return total
  }
}
