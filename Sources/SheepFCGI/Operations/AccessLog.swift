import Streaming

/// One line for each request: who asked for what, how it went and how it ended. Never a key, a prompt or a reply.
struct AccessLog: Sendable {
  let queue: LogQueue

  /// A request that was answered at once.
  /// - Parameters:
  ///   - limit: which of the site's own limits refused it.
  ///   - bytes: of the answer, its head included, without what the protocol puts around it.
  func write(
    _ context: RequestContext, status: Int, ended: String, limit: Limit?, bytes: Int, at now: Instant
  ) {
    var line = begin(context)
    line.add("status", status)
    line.add("ended", ended)
    if let limit { line.add("limit", limit.rawValue) }
    line.add("bytes", bytes)
    line.add("duration_ms", context.startedAt.milliseconds(to: now))
    queue.append(line)
  }

  /// A generation that is over.
  /// - Parameters:
  ///   - asked: the model that was asked for, which need not be the one that spoke.
  ///   - attempts: calls to providers.
  ///   - bytes: what the web server took of the answer, its head included.
  ///   - queued: milliseconds for which it waited for a slot; nil: it did not.
  func write(
    _ context: RequestContext, _ lifecycle: Lifecycle, asked: String, attempts: Int, bytes: Int, queued: Int?,
    at now: Instant
  ) {
    var line = begin(context)
    line.add("model", lifecycle.speaker.model)
    if asked != lifecycle.speaker.model { line.add("asked", asked) }
    line.add("status", lifecycle.status)
    let outcome = lifecycle.outcome ?? .clientLeft
    line.add("ended", outcome.name)
    switch outcome {
    case .done(let reason): line.add("finish", reason.name)
    case .failed(let failure):
      if let cause = failure.cause { line.add("cause", cause) }
      if let limit = failure.limit { line.add("limit", limit.rawValue) }
    case .clientStalled, .clientLeft: break
    }
    line.add("bytes", bytes)
    if attempts > 1 { line.add("attempts", attempts) }
    line.add("tokens", lifecycle.tokenCount)
    if let usage = lifecycle.usage {
      line.add("prompt_tokens", usage.promptTokens)
      line.add("completion_tokens", usage.completionTokens)
      if let price = lifecycle.speaker.price { line.add("cost_usd", price.cost(of: usage)) }
    }
    if let milliseconds = lifecycle.firstTokenMilliseconds { line.add("ttft_ms", milliseconds) }
    line.add("duration_ms", lifecycle.milliseconds(at: now))
    if let queued { line.add("queued_ms", queued) }
    queue.append(line)
  }

  private func begin(_ context: RequestContext) -> LogLine {
    var line = LogLine(level: "info", "request")
    line.add("id", context.id)
    line.add("client", context.client)
    if let key = context.key { line.add("key", key.name) }
    line.add("route", context.route)
    return line
  }
}
