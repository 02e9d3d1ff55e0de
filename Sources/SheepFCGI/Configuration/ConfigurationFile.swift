import Streaming
import Yams

/// The configuration file: YAML, read whole, with all that is wrong in it told at once.
///
/// Only what keeps the file from being read at all (its syntax, a key that is there twice) is told alone.
struct ConfigurationFile {
  private let environment: [String: String]
  private let toleratesMissingKeys: Bool
  private let problems: ProblemList
  private var settings = Settings()

  private static let limitBytes = 4 << 20

  /// - Parameters:
  ///   - environment: where the file's `$NAME` references look.
  ///   - toleratesMissingKeys: see `Settings.load`.
  static func read(
    _ path: String, environment: [String: String], toleratesMissingKeys: Bool
  ) throws(ConfigurationError) -> Settings {
    var file = ConfigurationFile(
      environment: environment, toleratesMissingKeys: toleratesMissingKeys, problems: ProblemList(file: path))
    let root = try YAMLFile.read(path, limitBytes: limitBytes, whenEmpty: "list at least one provider", file.problems)
    NodeReader.read(root, problems: file.problems) { file.readAll($0) }
    try file.problems.throwIfAny()
    return file.settings
  }

  private init(environment: [String: String], toleratesMissingKeys: Bool, problems: ProblemList) {
    self.environment = environment
    self.toleratesMissingKeys = toleratesMissingKeys
    self.problems = problems
  }
}

// MARK: - Sections

extension ConfigurationFile {
  private mutating func readAll(_ reader: NodeReader) {
    readListening(reader)
    var workers = 0
    reader.integer("workers", 1...1024, &workers)
    if workers > 0 { settings.workers = workers }
    let providers = ProviderSection(
      environment: environment, toleratesMissingKeys: toleratesMissingKeys, reader: reader)
    settings.providers = providers.read()
    readDefaultModel(reader)
    for item in reader.entry("fallback").map(reader.items) ?? [] {
      if let name = readModel(item, reader) { settings.fallback.append(name) }
    }
    reader.section("timeouts") { readTimeouts($0) }
    reader.section("retry") { readRetry($0) }
    reader.section("limits") { readLimits($0) }
    if let entry = reader.entry("client_keys") { readClientKeys(entry, reader) }
    reader.section("queue") { readQueue($0) }
    if let entry = reader.entry("redis") {
      settings.redis = RedisSection(environment: environment, entry: entry, reader: reader).read()
    }
    reader.section("cors") { readCORS($0) }
    reader.section("log") { readLog($0) }
    reader.flag("core_dumps", &settings.coreDumps)
    reader.section("status") { readStatus($0) }
  }

  private mutating func readListening(_ reader: NodeReader) {
    for item in reader.entry("listen").map(reader.items) ?? [] {
      guard let text = reader.text(item) else { continue }
      do {
        settings.listen.append(try ListenAddress(text))
      } catch {
        reader.problem(item, "'\(text)': \(error)")
      }
    }
    if let entry = reader.entry("listen_mode"), let text = reader.text(entry) {
      if let mode = Settings.ListenOptions.mode(octal: text) {
        settings.listenOptions.mode = mode
      } else {
        reader.problem(entry, Settings.ListenOptions.modeRemedy)
      }
    }
    if let owner = reader.text("listen_owner") { settings.listenOptions.owner = owner }
    if let group = reader.text("listen_group") { settings.listenOptions.group = group }
    reader.integer("backlog", 1...65_535, &settings.listenOptions.backlog)
  }

  private mutating func readDefaultModel(_ reader: NodeReader) {
    guard let entry = reader.entry("default_model") else {
      settings.defaultModel = settings.firstModel
      return
    }
    if let name = readModel(entry, reader) { settings.defaultModel = name }
  }

  /// The whole name of a model that some provider has.
  private func readModel(_ entry: NodeReader.Entry, _ reader: NodeReader) -> String? {
    // Without any provider that is the problem to solve first.
    guard let name = reader.text(entry), !settings.providers.isEmpty else { return nil }
    guard let found = settings.resolve(name) else {
      let remedy = "write one that stands under a provider's models, as PROVIDER/MODEL"
      reader.problem(entry, "'\(name)' is listed by no provider; \(remedy)")
      return nil
    }
    return "\(found.provider.name)/\(found.model.name)"
  }

  private mutating func readTimeouts(_ reader: NodeReader) {
    reader.duration("connect", &settings.timeouts.connect)
    reader.duration("first_token", &settings.timeouts.firstToken)
    reader.duration("idle", &settings.timeouts.idle)
    reader.duration("total", &settings.timeouts.total)
    reader.duration("client_stall", &settings.timeouts.clientStall)
    reader.duration("drain", zero: true, &settings.timeouts.drain)
    reader.duration("half_request", &settings.timeouts.halfRequest)
    reader.duration("idle_connection", &settings.timeouts.idleConnection)
    reader.duration("ping", &settings.timeouts.ping)
    reader.duration("hold", zero: true, &settings.timeouts.hold)
  }

  private mutating func readRetry(_ reader: NodeReader) {
    reader.integer("attempts", 1...100, &settings.retry.attempts)
    reader.duration("backoff", zero: true, &settings.retry.backoff)
    reader.duration("max_wait", zero: true, &settings.retry.maxWait)
  }

  private mutating func readLimits(_ reader: NodeReader) {
    // Places in a text are counted in 32 bits (`JSONLiteral`).
    let bytes = 1...(1 << 31)
    reader.integer("params_bytes", bytes, &settings.limits.paramsBytes)
    reader.integer("body_bytes", bytes, &settings.limits.bodyBytes)
    reader.integer("v1_body_bytes", bytes, &settings.limits.v1BodyBytes)
    reader.integer("line_bytes", bytes, &settings.limits.lineBytes)
    reader.integer("buffer_bytes", bytes, &settings.limits.bufferBytes)
    reader.integer("buffer_tokens", 1...1_000_000_000, &settings.limits.bufferTokens)
    reader.integer("streams", 0...1_000_000_000, &settings.limits.streams)
    reader.integer("max_tokens", 0...1_000_000_000, &settings.limits.maxTokens)
    reader.section("client") { readClientLimits($0) }
  }

  private mutating func readClientLimits(_ reader: NodeReader) {
    reader.integer("streams", 0...1_000_000_000, &settings.limits.client.streams)
    reader.integer("requests_per_minute", 0...1_000_000_000, &settings.limits.client.requestsPerMinute)
    guard let entry = reader.entry("by"), let text = reader.text(entry) else { return }
    if let measure = Settings.Limits.Client.Measure(text) {
      settings.limits.client.by = measure
    } else {
      // Of any other name a client could send one of its own.
      reader.problem(entry, "tells no clients apart; write address, key, or header:SHEEP_NAME, which nginx sets")
    }
  }

  private mutating func readClientKeys(_ entry: NodeReader.Entry, _ reader: NodeReader) {
    reader.section(entry) { section in
      var access = Settings.ClientAccess()
      section.choice("required", [("v1", .v1), ("all", .all)], &access.required)
      guard let file = section.entry("file") else {
        return reader.problem(entry, "has no file; add it, like file: /etc/sheepfcgi/keys.yaml")
      }
      guard let path = section.text(file) else { return }
      guard path.hasPrefix("/") else { return section.problem(file, "is no absolute path; write /path/to/file") }
      access.file = path
      do throws(ConfigurationError) {
        try ClientKeyFile.read(path, environment: environment, models: settings, into: &access)
      } catch {
        section.problems.add(error)
      }
      settings.clientKeys = access
    }
  }

  private mutating func readQueue(_ reader: NodeReader) {
    reader.integer("length", 0...1_000_000, &settings.queue.length)
    reader.duration("wait", &settings.queue.wait)
  }

  private mutating func readCORS(_ reader: NodeReader) {
    reader.flag("allow_credentials", &settings.cors.allowCredentials)
    for item in reader.entry("allow_origins").map(reader.items) ?? [] {
      guard let text = reader.text(item) else { continue }
      if text == "*" {
        if settings.cors.allowCredentials {
          reader.problem(item, "allows every origin ('*') together with allow_credentials; list the origins instead")
        }
        settings.cors.allowOrigins.append(text)
      } else if let origin = Settings.CORS.origin(text) {
        settings.cors.allowOrigins.append(origin)
      } else {
        reader.problem(item, "'\(text)' is no origin; write scheme, host and port alone, like https://example.com")
      }
    }
  }

  private mutating func readLog(_ reader: NodeReader) {
    reader.choice("format", Settings.Log.Format.allCases.map { ($0.rawValue, $0) }, &settings.log.format)
    guard let entry = reader.entry("to"), let text = reader.text(entry) else { return }
    guard let destination = Settings.Log.Destination(text) else {
      return reader.problem(entry, "is \(Settings.Log.Destination.remedy)")
    }
    settings.log.to = destination
    settings.log.place = "\(reader.problems.place(entry.line)): log.to"
  }

  private mutating func readStatus(_ reader: NodeReader) {
    guard let entry = reader.entry("allow") else { return }
    settings.status.allow = reader.items(entry).compactMap { item in
      guard let text = reader.text(item) else { return nil }
      guard let network = HostNetwork(text) else {
        reader.problem(item, "'\(text)' is no address or network; write one, like 10.0.0.7, 10.0.0.0/8 or \"fd00::/8\"")
        return nil
      }
      return network
    }
  }
}
