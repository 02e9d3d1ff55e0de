import Streaming

/// What an exchange is to do: which model of which provider is asked what, and how its buffer is measured.
struct StreamPlan {
  let context: RequestContext
  let provider: Settings.Provider
  let model: Settings.Model
  let subject: Lifecycle.Subject
  let mark: BackpressureBuffer.Mark
  /// The body of the request to the provider; gone once that has begun.
  private(set) var body: [UInt8]

  init(_ request: Request, _ context: RequestContext, _ settings: Settings) throws(Failure) {
    let ask = try Ask(request, ceiling: settings.limits.maxTokens)
    let name = ask.model ?? settings.defaultModel
    guard !name.isEmpty else {
      throw Failure(.badRequest, "model is missing and the site has no default; send one that /v1/models lists")
    }
    guard let (provider, model) = settings.resolve(name) else {
      throw Failure(.badRequest, "model '\(name.prefix(200))' is not served here; send one that /v1/models lists")
    }
    guard provider.wire == .openai else {
      throw Failure(
        .badRequest,
        "model '\(name.prefix(200))' is on the \(provider.wire.rawValue) wire, which this version does not "
          + "speak; send a model of another provider")
    }
    body = OpenAI.body(
      ask, model: model.name, asksForUsage: provider.streamUsage, maxTokensField: provider.maxTokensField)
    self.context = context
    self.provider = provider
    self.model = model
    subject = Lifecycle.Subject(
      requestID: context.id, model: "\(provider.name)/\(model.name)", provider: provider.name, price: model.price,
      secrets: provider.secrets, fields: context.fields)
    let limits = settings.limits
    mark =
      context.route == "/stream-backpressure"
      ? .tokens(limits.bufferTokens, bytes: limits.bufferBytes) : .bytes(limits.bufferBytes)
  }

  /// Gives the body away: an open stream shall not hold on to a long conversation.
  mutating func takeBody() -> [UInt8] {
    defer { body = [] }
    return body
  }
}
