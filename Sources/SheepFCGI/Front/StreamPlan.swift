import Streaming

/// What an exchange is to do: who may be asked, in which order, and what; and how its buffer is measured.
struct StreamPlan {
  /// What attempts are made of, until no other can follow.
  private final class Draft {
    let ask: Ask
    /// What the first target is sent, until it is.
    var first: ProviderRequest?

    init(_ ask: Ask, first: ProviderRequest) {
      self.ask = ask
      self.first = first
    }
  }

  let context: RequestContext
  /// Its place in the ledgers; nil: it is under no limit.
  let admission: Admission?
  let form: AnswerForm
  let mark: BackpressureBuffer.Mark
  /// The model that was asked for, and behind it the site's fallbacks.
  let targets: [Target]
  /// Nil once it has succeeded: an open stream shall not hold on to a long conversation.
  private var draft: Draft?

  init(
    _ http: Request, _ context: RequestContext, _ admission: Admission?, as dialect: Ask.Dialect, on worker: Worker
  ) throws(Failure) {
    let settings = worker.settings
    let ask = try Ask(http, as: dialect, ceiling: settings.limits.maxTokens)
    let name = ask.model ?? settings.defaultModel
    guard !name.isEmpty else {
      throw Failure(.badRequest, "model is missing and the site has no default; send one that /v1/models lists")
    }
    guard let target = worker.targets.target(named: name) else {
      // OpenAI's libraries have an error of its own for a 404.
      throw .unknownModel(name, status: dialect == .chatCompletions ? 404 : 400)
    }
    guard context.key?.allows(target.name) ?? true else {
      let remedy = "send one that /v1/models lists for it"
      throw Failure(.badRequest, status: 403, "your key may not use the model '\(target.name.prefix(200))'; \(remedy)")
    }
    draft = Draft(ask, first: try target.request(ask))
    targets =
      [target] + worker.targets.fallback.filter { $0.name != target.name && context.key?.allows($0.name) ?? true }
    form = ask.form
    self.context = context
    self.admission = admission
    let limits = settings.limits
    mark =
      context.route == "/stream-backpressure"
      ? .tokens(limits.bufferTokens, bytes: limits.bufferBytes) : .bytes(limits.bufferBytes)
  }

  /// What the target is sent.
  /// - Throws: where its wire cannot carry what was asked.
  func takeRequest(for target: Int) throws(Failure) -> ProviderRequest {
    guard let draft else { preconditionFailure("an attempt after the last") }
    guard target == 0, let request = draft.first else { return try targets[target].request(draft.ask) }
    draft.first = nil
    return request
  }

  /// No attempt will follow.
  mutating func forgetDraft() {
    draft = nil
  }
}
