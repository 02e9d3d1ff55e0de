/// What is sent to a provider for one ask, on whichever wire.
public struct ProviderRequest: Equatable, Sendable {
  /// Appended to the provider's base URL.
  public var path: String
  public var body: [UInt8]

  public init(path: String, body: [UInt8]) {
    self.path = path
    self.body = body
  }

  /// What a provider wants said differently.
  public struct Options: Sendable {
    /// False for one that rejects `stream_options`.
    public var asksForUsage = true
    /// The member that it takes the bound on completion tokens under, on the OpenAI wire.
    public var maxTokensField = "max_tokens"
    /// The bound where the client names none and the wire needs one.
    public var maxTokens = 4096

    public init(asksForUsage: Bool, maxTokensField: String, maxTokens: Int) {
      self.asksForUsage = asksForUsage
      self.maxTokensField = maxTokensField
      self.maxTokens = maxTokens
    }
  }
}

extension Wire {
  public func request(_ ask: Ask, model: String, _ options: ProviderRequest.Options) throws(Failure) -> ProviderRequest
  {
    switch self {
    case .openai: OpenAI.request(ask, model: model, options)
    case .anthropic: try Anthropic.request(ask, model: model, options)
    case .gemini: try Gemini.request(ask, model: model, options)
    }
  }

  /// The headers that every request of the wire has, with the key where there is one.
  public func headers(key: String?) -> [String] {
    switch self {
    case .openai: key.map { ["Authorization: Bearer \($0)"] } ?? []
    case .anthropic: [Anthropic.version] + (key.map { ["x-api-key: \($0)"] } ?? [])
    case .gemini: key.map { ["x-goog-api-key: \($0)"] } ?? []
    }
  }
}
