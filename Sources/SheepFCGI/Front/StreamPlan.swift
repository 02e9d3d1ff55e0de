import Streaming

/// What an exchange is to do: who may be asked, in which order, and what; and how its buffer is measured.
struct StreamPlan {
  /// A model that may be asked.
  struct Target {
    let endpoint: ProviderEndpoint
    let model: Settings.Model

    var wire: Wire { endpoint.provider.wire }
    var name: String { "\(endpoint.provider.name)/\(model.name)" }

    var speaker: Lifecycle.Speaker {
      let provider = endpoint.provider
      return Lifecycle.Speaker(
        model: name, provider: provider.name, price: model.price, secrets: provider.secrets)
    }

    func request(_ ask: Ask) throws(Failure) -> ProviderRequest {
      let provider = endpoint.provider
      let options = ProviderRequest.Options(
        asksForUsage: provider.streamUsage, maxTokensField: provider.maxTokensField, maxTokens: provider.maxTokens)
      return try wire.request(ask, model: model.name, options)
    }
  }

  let context: RequestContext
  let form: AnswerForm
  let mark: BackpressureBuffer.Mark
  /// The model that was asked for, and behind it the site's fallbacks.
  let targets: [Target]
  /// Nil once no attempt can follow: an open stream shall not hold on to a long conversation.
  private var ask: Ask?
  /// What the first target is sent, until it is.
  private var first: ProviderRequest?

  init(_ http: Request, _ context: RequestContext, as dialect: Ask.Dialect, on worker: Worker) throws(Failure) {
    let settings = worker.settings
    let ask = try Ask(http, as: dialect, ceiling: settings.limits.maxTokens)
    let name = ask.model ?? settings.defaultModel
    guard !name.isEmpty else {
      throw Failure(.badRequest, "model is missing and the site has no default; send one that /v1/models lists")
    }
    guard let target = worker.target(named: name) else {
      // OpenAI's libraries have an error of its own for a 404.
      throw .unknownModel(name, status: dialect == .chatCompletions ? 404 : 400)
    }
    first = try target.request(ask)
    let others = worker.fallback.filter { $0.endpoint !== target.endpoint || $0.model.name != target.model.name }
    targets = [target] + others
    form = ask.form
    self.ask = targets.count > 1 || settings.retry.attempts > 1 ? ask : nil
    self.context = context
    let limits = settings.limits
    mark =
      context.route == "/stream-backpressure"
      ? .tokens(limits.bufferTokens, bytes: limits.bufferBytes) : .bytes(limits.bufferBytes)
  }

  /// What the target is sent.
  /// - Throws: where its wire cannot carry what was asked.
  mutating func takeRequest(for target: Int) throws(Failure) -> ProviderRequest {
    if target == 0, let request = first {
      first = nil
      return request
    }
    guard let ask else { preconditionFailure("an attempt after the last") }
    return try targets[target].request(ask)
  }

  /// No attempt will follow.
  mutating func forgetAsk() {
    ask = nil
    first = nil
  }
}
