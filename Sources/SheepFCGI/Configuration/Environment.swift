import Streaming

/// Settings without a file: one provider that `SHEEP_BASE_URL` names, or the table of well-known ones.
struct Environment {
  private let variables: [String: String]
  private var problems: [ConfigurationError.Problem] = []

  static func read(_ variables: [String: String]) throws(ConfigurationError) -> Settings {
    var environment = Environment(variables)
    let settings = environment.value("SHEEP_BASE_URL").map { environment.one($0) } ?? environment.table()
    guard environment.problems.isEmpty else { throw ConfigurationError(problems: environment.problems) }
    return settings
  }

  private init(_ variables: [String: String]) {
    self.variables = variables
  }

  /// A variable that is set to nothing counts as not set: that is how compose files and unit files clear one.
  private func value(_ name: String) -> String? {
    variables[name].flatMap { $0.isEmpty ? nil : $0 }
  }

  private mutating func one(_ baseURL: String) -> Settings {
    var provider = Settings.Provider(name: "default", wire: .openai, baseURL: "")
    if let text = value("SHEEP_WIRE") {
      if let wire = Wire(rawValue: text) {
        provider.wire = wire
      } else {
        problem("SHEEP_WIRE", "is unknown; set it to \(Wire.allCases.map(\.rawValue).joined(separator: ", "))")
      }
    }
    do {
      provider.baseURL = try BaseURL.parse(baseURL, wire: provider.wire)
    } catch {
      problem("SHEEP_BASE_URL", "\(error)")
    }
    provider.apiKeys = keys("SHEEP_API_KEY")
    let model = value("SHEEP_MODEL") ?? "default"
    if model == Settings.Model.any || !Reference.isHeaderValue(model) {
      problem("SHEEP_MODEL", "names no single model; set it to one name, or write a configuration file")
    }
    provider.models = [Settings.Model(name: model)]
    return Settings(defaultModel: "default/\(model)", providers: [provider])
  }

  private mutating func table() -> Settings {
    for name in ["SHEEP_API_KEY", "SHEEP_MODEL", "SHEEP_WIRE"] where value(name) != nil {
      problem(name, "is set but SHEEP_BASE_URL is not, which it belongs to; set that too, or unset this")
    }
    let providers = [
      row("holysheep", .openai, "https://api.holysheep.ai/v1", "HOLYSHEEP_API_KEY", "deepseek-v3.2", 0.42),
      row("openai", .openai, "https://api.openai.com/v1", "OPENAI_API_KEY", "gpt-4.1", 8),
      row("anthropic", .anthropic, "https://api.anthropic.com", "ANTHROPIC_API_KEY", "claude-sonnet-4-5", 15),
      row(
        "gemini", .gemini, "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "gemini-2.5-flash", 2.5
      ),
    ]
    // HolySheep's is the default; who has a key of another provider alone means that one.
    let first = providers.first { $0.missingKey == nil } ?? providers[0]
    return Settings(defaultModel: "\(first.name)/\(first.models[0].name)", providers: providers)
  }

  private mutating func row(
    _ name: String, _ wire: Wire, _ baseURL: String, _ variable: String, _ model: String, _ dollars: Double
  ) -> Settings.Provider {
    let price = Price(prompt: dollars, completion: dollars)
    // Without a key the provider refuses, and the request is told; the others work.
    let keys = keys(variable)
    return Settings.Provider(
      name: name, wire: wire, baseURL: baseURL, apiKeys: keys, missingKey: keys.isEmpty ? variable : nil,
      models: [.init(name: model, price: price)])
  }

  private mutating func keys(_ variable: String) -> [String] {
    guard let key = value(variable) else { return [] }
    if !Reference.isHeaderValue(key) {
      problem(variable, "holds a line break or another control character; set it to the key alone")
    }
    return [key]
  }

  private mutating func problem(_ variable: String, _ text: String) {
    problems.append(.init(place: variable, text: text))
  }
}

extension Settings {
  /// The one way to get settings: from a file, or, without one, from the environment.
  ///
  /// Reads the file and those that it refers to, and does nothing else. Blocks; not for the loop.
  /// - Parameter toleratesMissingKeys: whether an `api_key` may name a variable that is not set (`missingKey`).
  static func load(
    file: String?, environment: [String: String], toleratesMissingKeys: Bool = false
  ) throws(ConfigurationError) -> Settings {
    if let file {
      return try ConfigurationFile.read(
        file, environment: environment, toleratesMissingKeys: toleratesMissingKeys)
    }
    return try Environment.read(environment)
  }
}
