import Streaming

/// What one worker counts, in plain integers: nobody else looks at it, `WorkerReport` carries a copy of it away. Bound to
/// its worker's thread.
final class Tally {
  private var requests: [Figures.Request: Int] = [:]
  private var refusals: [Limit: Int] = [:]
  private var providerErrors: [String: [Failure.Kind: Int]] = [:]
  private var models: [String: ModelTally] = [:]

  /// All of it, as it stands.
  var figures: Figures {
    Figures(requests: requests, refusals: refusals, models: models.mapValues(\.figures), providerErrors: providerErrors)
  }

  /// That of a model, which keeps it however often the settings are read anew.
  func model(_ name: String) -> ModelTally {
    if let known = models[name] { return known }
    let tally = ModelTally()
    models[name] = tally
    return tally
  }

  /// A request has its answer, or nobody who waits for it.
  func requestEnded(route: String, status: Int) {
    requests[Figures.Request(route: Route(path: route), status: status), default: 0] += 1
  }

  /// Who asked has used up what it may have.
  func refused(_ limit: Limit) {
    refusals[limit, default: 0] += 1
  }

  func attemptFailed(_ kind: Failure.Kind, of provider: String) {
    providerErrors[provider, default: [:]][kind, default: 0] += 1
  }
}

/// What one worker counts of a model. Held by all who ask it, so that a token finds it at once.
final class ModelTally {
  /// Unchecked, as a check costs more than what it guards: each access is a sum that calls nothing.
  @exclusivity(unchecked) var figures = ModelFigures()

  /// A stream is over.
  func ended(_ lifecycle: Lifecycle, at now: Instant) {
    figures.duration.record(now.nanoseconds - lifecycle.startedAt.nanoseconds)
    figures.endings[(lifecycle.outcome ?? .clientLeft).name, default: 0] += 1
    guard let usage = lifecycle.usage else { return }
    figures.promptTokens += usage.promptTokens
    figures.completionTokens += usage.completionTokens
    if let price = lifecycle.speaker.price { figures.cost += price.cost(of: usage) }
  }
}
