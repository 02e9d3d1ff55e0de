import Streaming

/// Reads `providers` and all below it.
struct ProviderSection {
  let environment: [String: String]
  /// See `Settings.load`.
  let toleratesMissingKeys: Bool
  let reader: NodeReader

  /// In the order of the file. With a problem told, what comes back is not to be used.
  func read() -> [Settings.Provider] {
    let entries = reader.names("providers")
    if entries.isEmpty {
      let entry = reader.entries.first { $0.key == "providers" }
      // Where it is no mapping that has been said already.
      if entry == nil || entry?.value.mapping?.isEmpty ?? (entry?.value.scalar?.string.isEmpty == true) {
        reader.problems.add(entry?.line, "providers lists none; add one: NAME: { base_url: …, models: { NAME: {} } }")
      }
    }
    return entries.map(provider)
  }

  private func provider(_ entry: NodeReader.Entry) -> Settings.Provider {
    var provider = Settings.Provider(name: entry.key, wire: .openai, baseURL: "")
    let isName = entry.key.utf8.allSatisfy { byte in
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-".utf8.contains(byte)
    }
    if !isName || entry.key.isEmpty {
      reader.problem(entry, "is no name for a provider; use letters, digits, '.', '_' and '-' alone")
    }
    reader.section(entry) { section in
      section.choice("wire", Wire.allCases.map { ($0.rawValue, $0) }, &provider.wire)
      readBaseURL(section, entry, &provider)
      readAPIKeys(section, &provider)
      for entry in section.names("headers") {
        if let header = header(entry, section, &provider) { provider.headers.append(header) }
      }
      section.choice("http", [("1.1", .http1), ("2", .http2)], &provider.http)
      section.flag("stream_usage", &provider.streamUsage)
      let fields = ["max_tokens", "max_completion_tokens"].map { ($0, $0) }
      section.choice("max_tokens_field", fields, &provider.maxTokensField)
      section.integer("max_tokens", 1...1_000_000_000, &provider.maxTokens)
      provider.models = models(section, entry)
    }
    return provider
  }

  private func readBaseURL(_ section: NodeReader, _ parent: NodeReader.Entry, _ provider: inout Settings.Provider) {
    guard let entry = section.entry("base_url") else {
      reader.problem(parent, "has no base_url; add it, like base_url: https://api.example.com/v1")
      return
    }
    guard let text = section.text(entry) else { return }
    do {
      provider.baseURL = try BaseURL.parse(text, wire: provider.wire)
    } catch {
      section.problem(entry, "\(error)")
    }
  }

  // MARK: - Keys and headers

  private func readAPIKeys(_ section: NodeReader, _ provider: inout Settings.Provider) {
    guard let entry = section.entry("api_key") else { return }
    let items = section.items(entry)
    if entry.value.sequence?.isEmpty == true {
      section.problem(entry, "is an empty list; write a reference, or remove the line for no key")
    }
    for item in items {
      guard let text = section.text(item) else { continue }
      do {
        guard let reference = try Reference(text) else {
          section.problem(item, Self.literal)
          continue
        }
        if toleratesMissingKeys, case .variable(let name) = reference, environment[name]?.isEmpty ?? true {
          provider.missingKey = name
        } else {
          provider.apiKeys.append(try reference.value(environment))
          if case .file(let path) = reference { provider.secretFiles.append(path) }
        }
      } catch {
        section.problem(item, "\(error)")
      }
    }
    if !provider.apiKeys.isEmpty { provider.missingKey = nil }
  }

  private static let literal = "is written out; put it into a variable or a file, and write $NAME or file:/path"
  /// Headers that hold a key by their nature.
  private static let secretHeaders = ["authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key"]
  /// Headers that the request itself decides, beside those of the wire.
  private static let ownHeaders = [
    "accept", "accept-encoding", "connection", "content-length", "content-type", "expect", "transfer-encoding",
  ]

  private func header(
    _ entry: NodeReader.Entry, _ section: NodeReader, _ provider: inout Settings.Provider
  ) -> Settings.Header? {
    let name = entry.key.lowercased()
    guard isToken(entry.key) else {
      section.problem(entry, "is no name for a header; use letters, digits and '-'")
      return nil
    }
    let ofWire = provider.wire.headers(key: provider.apiKeys.first).map { $0.prefix { $0 != ":" }.lowercased() }
    guard !(Self.ownHeaders + ofWire).contains(name) else {
      section.problem(entry, "is set by the program; remove it")
      return nil
    }
    guard let text = section.text(entry) else { return nil }
    do {
      if let reference = try Reference(text) {
        let value = try reference.value(environment)
        if case .file(let path) = reference { provider.secretFiles.append(path) }
        return Settings.Header(name: entry.key, value: value, isSecret: true)
      }
    } catch {
      section.problem(entry, "\(error)")
      return nil
    }
    if Self.secretHeaders.contains(name) {
      section.problem(entry, Self.literal)
      return nil
    }
    guard Reference.isHeaderValue(text) else {
      section.problem(entry, "holds a line break or another control character; write it on one line")
      return nil
    }
    return Settings.Header(name: entry.key, value: text)
  }

  /// RFC 9110, section 5.6.2.
  private func isToken(_ name: String) -> Bool {
    !name.isEmpty
      && name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
      }
  }

  // MARK: - Models

  private func models(_ section: NodeReader, _ parent: NodeReader.Entry) -> [Settings.Model] {
    let models = section.names("models").map { model($0, section) }
    let given = section.entries.first { $0.key == "models" }
    if models.isEmpty, given?.value.sequence == nil {
      reader.problem(parent, "lists no model; add models: { NAME: {} }, or '*' as NAME for any")
    }
    return models
  }

  private func model(_ entry: NodeReader.Entry, _ section: NodeReader) -> Settings.Model {
    var model = Settings.Model(name: entry.key)
    if entry.key.isEmpty || !Reference.isHeaderValue(entry.key) {
      section.problem(entry, "is no name for a model; write the one that the provider uses")
    }
    section.section(entry) { reader in
      guard let price = reader.entry("price_per_mtok") else { return }
      model.price = self.price(price, reader)
    }
    return model
  }

  private func price(_ entry: NodeReader.Entry, _ reader: NodeReader) -> Price? {
    guard entry.value.mapping != nil else {
      return reader.amount(entry).map { Price(prompt: $0, completion: $0) }
    }
    var price: Price?
    reader.section(entry) { amounts in
      let prompt = amounts.amount("prompt")
      let cached = amounts.amount("cached")
      let completion = amounts.amount("completion")
      for name in ["prompt", "completion"] where !amounts.entries.contains(where: { $0.key == name }) {
        amounts.problems.add(entry.line, "\(entry.path) has no \(name); add it, in dollars for a million tokens")
      }
      if let prompt, let completion { price = Price(prompt: prompt, cached: cached, completion: completion) }
    }
    return price
  }
}
