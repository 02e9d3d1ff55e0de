import FoundationEssentials
import Testing
import Yams

@testable import SheepFCGI

/// docs/configuration.md against the settings as they are.
struct ConfigurationPageTests {
  private let page: ConfigurationPage
  /// Properties that a file does not set under a name of their own.
  private static let unwritten: Set = [
    "status.allow.base.high", "status.allow.base.low", "status.allow.bits", "log.place", "providers.missing_key",
    "providers.secret_files", "providers.name", "providers.headers.name",
    "providers.headers.value", "providers.headers.is_secret", "providers.models.name",
  ]
  /// Where a key is called otherwise than its property.
  private static let keys = [
    "listen_options.mode": "listen_mode", "listen_options.owner": "listen_owner",
    "listen_options.group": "listen_group", "listen_options.backlog": "backlog",
    "providers.base_url": "providers.holysheep.base_url", "providers.api_keys": "providers.holysheep.api_key",
    "providers.models.price": "providers.holysheep.models.deepseek-v3.2.price_per_mtok",
  ]

  init() throws {
    let repository = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..")
    page = try ConfigurationPage(
      String(contentsOf: repository.appending(path: "docs/configuration.md").standardized, encoding: .utf8))
  }

  @Test func `every key that the page shows is one, and every value is right`() throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "page-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let keys = directory.appending(path: "keys.yaml")
    try "a: { key: x }".write(to: keys, atomically: true, encoding: .utf8)
    let file = directory.appending(path: "sheepfcgi.yaml")
    let text = try page.yaml().replacing("/etc/sheepfcgi/keys.yaml", with: keys.path())
    try text.write(to: file, atomically: true, encoding: .utf8)
    var environment: [String: String] = [:]
    for variable in page.variables { environment[variable] = "x" }
    #expect(throws: Never.self) { try Settings.load(file: file.path(), environment: environment) }
  }

  @Test func `every setting stands on the page, and every default in its tables is the default`() {
    var settings = Settings()
    settings.providers = [
      Settings.Provider(
        name: "", wire: .openai, baseURL: "", headers: [.init(name: "", value: "")], models: [.init(name: "")])
    ]
    for (property, value) in Self.leaves(of: settings, at: "") where !Self.unwritten.contains(property) {
      let key = Self.keys[property] ?? property.replacing("providers.", with: "providers.holysheep.")
      #expect(page.values[key] != nil || page.hasBelow(key), "\(key) is not on the page")
      if let told = page.defaults[key] { #expect(told == value, "the default of \(key)") }
    }
  }

  /// Properties by their names as a file would write them, with their values as a file would write those.
  private static func leaves(of value: Any, at path: String) -> [(path: String, value: String)] {
    switch value {
    case let duration as Duration:
      let milliseconds = duration.nanoseconds / 1_000_000
      return [(path, milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms")]
    case let text as String: return [(path, text)]
    default: break
    }
    let mirror = Mirror(reflecting: value)
    switch mirror.displayStyle {
    case .struct?:
      let prefix = path.isEmpty ? "" : path + "."
      return mirror.children.flatMap { leaves(of: $0.value, at: prefix + snake($0.label ?? "")) }
    case .collection? where !mirror.children.isEmpty:
      return mirror.children.prefix(1).flatMap { leaves(of: $0.value, at: path) }
    default: return [(path, "\(value)")]
    }
  }

  private static func snake(_ name: String) -> String {
    name.replacing("URL", with: "Url").map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
  }
}

/// The settings that the page shows: its blocks of YAML, and its tables, whose first heading is the section.
private struct ConfigurationPage {
  /// As written, by the way to them.
  private(set) var values: [String: String] = [:]
  /// Those of the tables.
  private(set) var defaults: [String: String] = [:]
  /// The same as nested mappings.
  private var tree = Tree()

  private final class Tree {
    var children: [String: Tree] = [:]
    var node: Node?
  }

  init(_ text: String) throws {
    var section: String?
    var block: [Substring] = []
    let lines: [Substring] = text.split(separator: "\n", omittingEmptySubsequences: false) + [""]
    for line in lines {
      if line.hasPrefix("    ") {
        block.append(line.dropFirst(4))
        continue
      }
      try take(block)
      block = []
      let cells = line.split(separator: "|").map { $0.trimmingPrefix(" ").split(separator: " ").joined(separator: " ") }
      guard line.hasPrefix("|"), cells.count > 1 else {
        section = nil
        continue
      }
      if cells[1] == "default" {
        section = cells[0].replacing("`", with: "")
      } else if let section, cells[0].hasPrefix("`") {
        let key = "\(section).\(cells[0].replacing("`", with: ""))"
        defaults[key] = cells[1]
        put(Node(cells[1], Tag(.str), .plain), at: key)
      }
    }
  }

  private mutating func take(_ block: [Substring]) throws {
    guard let first = block.first, first.prefixMatch(of: /[a-z_]+:/) != nil else { return }
    guard case .mapping(let mapping)? = try Parser(yaml: block.joined(separator: "\n"), resolver: .basic).singleRoot()
    else { return }
    put(mapping, at: "")
  }

  private mutating func put(_ mapping: Node.Mapping, at path: String) {
    for (key, value) in mapping {
      let place = (path.isEmpty ? "" : path + ".") + (key.scalar?.string ?? "")
      // A model's name may hold a dot, and ends what is looked into.
      if case .mapping(let inner) = value, !inner.isEmpty, !place.hasSuffix(".models") {
        put(inner, at: place)
      } else {
        put(value, at: place)
      }
    }
  }

  private mutating func put(_ node: Node, at path: String) {
    values[path] = node.scalar?.string ?? ""
    if path.hasSuffix(".models"), let models = node.mapping {
      for (key, value) in models {
        for (name, _) in value.mapping ?? [:] { values["\(path).\(key.string ?? "").\(name.string ?? "")"] = "" }
      }
    }
    var place = tree
    for name in path.split(separator: ".") {
      let next = place.children[String(name)] ?? Tree()
      place.children[String(name)] = next
      place = next
    }
    place.node = node
  }

  func hasBelow(_ path: String) -> Bool { values.keys.contains { $0.hasPrefix(path + ".") } }

  /// Those that references name.
  var variables: [String] { values.values.filter { $0.hasPrefix("$") }.map { String($0.dropFirst()) } }

  /// All of it as one file.
  func yaml() throws -> String {
    func node(_ tree: Tree) -> Node {
      if let node = tree.node { return node }
      return .mapping(.init(tree.children.sorted { $0.key < $1.key }.map { (Node($0.key), node($0.value)) }))
    }
    return try serialize(node: node(tree))
  }
}
