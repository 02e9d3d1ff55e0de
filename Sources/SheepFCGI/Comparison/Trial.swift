import Streaming

/// One answer of one model, asked for as a worker would, and measured. Bound to the thread of its `TrialLoop`.
final class Trial: UpstreamListener {
  /// What one run came to.
  enum Outcome {
    case measured(Measurement)
    /// Why there is no whole answer.
    case failed(String)
  }

  private(set) var outcome: Outcome?
  private(set) var call: UpstreamCall?

  private var lifecycle: Lifecycle
  private let started: Instant
  private var firstTokenAt: Instant?

  /// - Throws: where the model's wire cannot carry what is asked.
  init(_ ask: Ask, of target: Target, _ settings: Settings) throws(Failure) {
    started = Clock.now()
    let request = try target.request(ask)
    lifecycle = Lifecycle(
      subject: Lifecycle.Subject(requestID: "compare", fields: []), form: .events,
      clocks: Lifecycle.Clocks(settings.timeouts), mark: .bytes(.max), lineBound: settings.limits.lineBytes,
      asking: target.speaker, on: target.wire, at: started, wallClock: 0)
    let endpoint = target.endpoint
    let call = UpstreamCall(
      request, to: endpoint, key: endpoint.standing.takeKey(at: started), connectTimeout: settings.timeouts.connect,
      listener: self)
    self.call = call
    endpoint.gate.pass(call, at: started)
  }

  func upstreamAnswered(_ head: ResponseHead) {
    lifecycle.receive(head: head)
  }

  func upstreamSent(_ bytes: Span<UInt8>) {
    let now = Clock.now()
    var room: [UInt8] = []
    _ = lifecycle.receive(bytes, into: &room, at: now)
    act(at: now)
  }

  func upstreamEnded(_ end: Lifecycle.UpstreamEnd) {
    call = nil
    let now = Clock.now()
    _ = lifecycle.upstreamEnded(end, at: now)
    act(at: now)
  }

  /// Milliseconds until `tick` is due, for a poller.
  var timeout: Int32 {
    guard let deadline = lifecycle.takeDeadline() else { return -1 }
    return Int32(clamping: max(0, Clock.now().milliseconds(to: deadline) + 1))
  }

  func tick() {
    let now = Clock.now()
    _ = lifecycle.tick(at: now)
    act(at: now)
  }

  private func act(at now: Instant) {
    // A retry would make the figures better than the provider is.
    if let (failure, _) = lifecycle.failedAttempt { _ = lifecycle.fail(failure, at: now) }
    // The end of an answer counts as output too, but is no token.
    if firstTokenAt == nil, lifecycle.hasOutput, lifecycle.outcome == nil || lifecycle.tokenCount > 0 {
      firstTokenAt = now
    }
    var room: [UInt8] = []
    _ = lifecycle.send(returning: &room, at: now) { waiting, _ in (waiting.count, ()) }
    guard outcome == nil else { return }
    switch lifecycle.outcome {
    case .done?: outcome = .measured(measurement(at: now))
    case .failed(let failure)?: outcome = .failed(failure.message)
    case .clientLeft?, .clientStalled?, nil: break
    }
  }

  private func measurement(at now: Instant) -> Measurement {
    Measurement(
      firstToken: firstTokenAt.map(started.duration), total: started.duration(to: now),
      completionTokens: lifecycle.usage?.completionTokens,
      cost: lifecycle.usage.flatMap { usage in lifecycle.speaker.price.map { $0.cost(of: usage) } })
  }
}
