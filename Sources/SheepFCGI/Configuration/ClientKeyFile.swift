import Streaming
import Yams

/// The file of client keys: a mapping from names to what stands behind them. It is read whole, with all that is wrong in
/// it told at once, and never a key.
struct ClientKeyFile {
  private let environment: [String: String]
  /// For the models that there are.
  private let settings: Settings
  private let problems: ProblemList
  private var keys = ClientKeys()
  /// Names by key.
  private var names: [String: String] = [:]

  private static let limitBytes = 16 << 20

  private init(environment: [String: String], settings: Settings, problems: ProblemList) {
    self.environment = environment
    self.settings = settings
    self.problems = problems
  }

  /// - Parameter settings: with the providers.
  static func read(
    _ path: String, environment: [String: String], models settings: Settings, into access: inout Settings.ClientAccess
  ) throws(ConfigurationError) {
    let problems = ProblemList(file: path)
    var file = ClientKeyFile(environment: environment, settings: settings, problems: problems)
    let root = try YAMLFile.read(path, limitBytes: limitBytes, whenEmpty: "write NAME: { key: … }", problems)
    NodeReader.read(root, isFree: true, problems: problems) { reader in
      if reader.entries.isEmpty { problems.add(1, "lists no key; write NAME: { key: … }") }
      for entry in reader.entries { file.readName(entry, reader) }
    }
    try problems.throwIfAny()
    access.keys = file.keys
    access.isFileOpen = FileContents.isOpenToAll(path)
  }

  private mutating func readName(_ entry: NodeReader.Entry, _ reader: NodeReader) {
    let isName = entry.key.utf8.allSatisfy { byte in
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-".utf8.contains(byte)
    }
    guard isName, (1...64).contains(entry.key.utf8.count) else {
      return reader.problem(entry, "is no name for a key; use up to 64 letters, digits, '.', '_', '@' and '-'")
    }
    reader.section(entry) { section in
      var quota = Quota()
      section.integer("streams", 0...1_000_000_000, &quota.streams)
      section.integer("requests_per_minute", 0...1_000_000_000, &quota.requestsPerMinute)
      section.integer("tokens_per_day", 0...1_000_000_000_000, &quota.tokensPerDay)
      let owner = ClientKey(name: entry.key, models: models(section), quota: quota)
      guard let key = section.entry("key") else {
        return reader.problem(entry, "has no key; add one, made by: openssl rand -hex 24")
      }
      let items = section.items(key)
      if items.isEmpty, key.value.sequence != nil { section.problem(key, "is an empty list; write a key") }
      for item in items { readKey(item, of: owner, section) }
    }
  }

  private mutating func readKey(_ item: NodeReader.Entry, of owner: ClientKey, _ section: NodeReader) {
    guard let text = section.text(item) else { return }
    do throws(Reference.Invalid) {
      let value = try Reference(text)?.value(environment) ?? text
      guard value.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), value.utf8.count <= ClientKeys.longestBytes else {
        let remedy = "use up to \(ClientKeys.longestBytes) visible ASCII characters and no space"
        return section.problem(item, "is no key; \(remedy)")
      }
      if let other = names.updateValue(owner.name, forKey: value) {
        return section.problem(item, "is the key of \(other) too; give each its own")
      }
      keys.add(value, of: owner)
    } catch {
      section.problem(item, "\(error)")
    }
  }

  /// Nil: all.
  private func models(_ section: NodeReader) -> [String]? {
    guard let entry = section.entry("models") else { return nil }
    let items = section.items(entry)
    if items.isEmpty, entry.value.sequence != nil {
      section.problem(entry, "is an empty list; write PROVIDER/MODEL or PROVIDER/*, or remove the line for all")
    }
    return items.compactMap { item in
      guard let text = section.text(item) else { return nil }
      if settings.providers.contains(where: { text == "\($0.name)/*" }) { return text }
      // Without any provider that is the problem to solve first.
      guard settings.resolve(text).map({ "\($0.provider.name)/\($0.model.name)" }) == text || settings.providers.isEmpty
      else {
        section.problem(item, "'\(text)' is listed by no provider; write PROVIDER/MODEL or PROVIDER/*")
        return nil
      }
      return text
    }
  }
}
