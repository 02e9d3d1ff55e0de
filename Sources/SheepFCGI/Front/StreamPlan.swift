import Streaming

/// What an exchange is to do: which model of which provider is asked what, and how its buffer is measured.
struct StreamPlan {
  let context: RequestContext
  let provider: Settings.Provider
  let model: Settings.Model
  let subject: Lifecycle.Subject
  let mark: BackpressureBuffer.Mark
  /// What the provider is sent; its body is gone once that has begun.
  private var request: ProviderRequest

  init(_ http: Request, _ context: RequestContext, _ settings: Settings) throws(Failure) {
    let ask = try Ask(http, ceiling: settings.limits.maxTokens)
    let name = ask.model ?? settings.defaultModel
    guard !name.isEmpty else {
      throw Failure(.badRequest, "model is missing and the site has no default; send one that /v1/models lists")
    }
    guard let (provider, model) = settings.resolve(name) else {
      throw Failure(.badRequest, "model '\(name.prefix(200))' is not served here; send one that /v1/models lists")
    }
    request = try provider.wire.request(
      ask, model: model.name,
      ProviderRequest.Options(
        asksForUsage: provider.streamUsage, maxTokensField: provider.maxTokensField, maxTokens: provider.maxTokens))
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

  /// Gives the request away: an open stream shall not hold on to a long conversation.
  mutating func takeRequest() -> ProviderRequest {
    defer { request.body = [] }
    return request
  }
}
