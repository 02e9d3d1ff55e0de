import Glibc

/// One directive of nginx's, with its block where it has one.
struct NginxDirective: Equatable {
  let name: String
  let arguments: [String]
  /// Nil: it ends in a semicolon.
  let block: [NginxDirective]?
  /// `FILE:LINE`.
  let place: String

  /// The first argument; empty where there is none.
  var value: String { arguments.first ?? "" }
}

/// nginx's configuration as `nginx -T` prints it: every file once, each after a line that names it, the main one first.
struct NginxConfiguration {
  /// What keeps a text from being read as one.
  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// The main file's, with those of included files in place of the `include`.
  let directives: [NginxDirective]

  private static let marker = "# configuration file "
  /// nginx itself has no such bound; a file that was put together by hand may include itself.
  private static let deepest = 32

  /// - Parameter text: with the lines that name files, or, without any, one file.
  init(_ text: String) throws(Invalid) {
    let files = Self.split(text)
    guard let main = files.first else { throw Invalid(description: "it is empty") }
    var parsed: [String: [NginxDirective]] = [:]
    for file in files { parsed[file.name] = try NginxParser.parse(file.text, of: file.name) }
    let prefix = main.name.lastIndex(of: "/").map { String(main.name[...$0]) } ?? ""
    directives = try Self.expand(parsed[main.name] ?? [], parsed, prefix, depth: 0)
  }

  private static func split(_ text: String) -> [(name: String, text: String)] {
    var files: [(name: String, lines: [Substring])] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.hasPrefix(marker), line.hasSuffix(":") {
        files.append((String(line.dropFirst(marker.count).dropLast()), []))
      } else if !files.isEmpty {
        files[files.count - 1].lines.append(line)
      }
    }
    // What stands before the first name is what nginx says of the test.
    guard files.isEmpty else { return files.map { ($0.name, $0.lines.joined(separator: "\n")) } }
    return text.allSatisfy(\.isWhitespace) ? [] : [("nginx.conf", text)]
  }

  private static func expand(
    _ directives: [NginxDirective], _ files: [String: [NginxDirective]], _ prefix: String, depth: Int
  ) throws(Invalid) -> [NginxDirective] {
    guard depth < deepest else { throw Invalid(description: "a file includes itself") }
    var expanded: [NginxDirective] = []
    for directive in directives {
      if directive.name == "include", directive.block == nil {
        let pattern = directive.value.hasPrefix("/") ? directive.value : prefix + directive.value
        for name in files.keys.filter({ fnmatch(pattern, $0, FNM_PATHNAME | FNM_PERIOD) == 0 }).sorted() {
          expanded += try expand(files[name] ?? [], files, prefix, depth: depth + 1)
        }
      } else if let block = directive.block {
        expanded.append(
          NginxDirective(
            name: directive.name, arguments: directive.arguments,
            block: try expand(block, files, prefix, depth: depth + 1), place: directive.place))
      } else {
        expanded.append(directive)
      }
    }
    return expanded
  }
}

extension [NginxDirective] {
  /// The last one of that name, which is the one that counts where nginx takes it more than once.
  func last(_ name: String) -> NginxDirective? { last { $0.name == name } }

  func all(_ name: String) -> [NginxDirective] { filter { $0.name == name } }

  /// The directives in the blocks of that name.
  func blocks(_ name: String) -> [[NginxDirective]] { all(name).compactMap(\.block) }
}
