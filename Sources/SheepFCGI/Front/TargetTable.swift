import Streaming

/// The models that a worker may ask, as its settings list them, and their providers. Bound to the worker's thread; a reload
/// of the settings makes a new one.
final class TargetTable {
  /// Whom to ask when the model that was asked for fails, in turn.
  private(set) var fallback: [Target] = []

  private let settings: Settings
  private let tally: Tally
  private let endpoints: [String: ProviderEndpoint]
  /// Those that were asked for so far, under the names that they were asked for by, as long as the settings list them.
  private var known: [String: Target] = [:]

  /// - Parameter start: hands a call to libcurl.
  init(_ settings: Settings, in pool: Pool, counting tally: Tally, start: @escaping (UpstreamCall) -> Void) {
    self.settings = settings
    self.tally = tally
    var endpoints: [String: ProviderEndpoint] = [:]
    for provider in settings.providers {
      endpoints[provider.name] = ProviderEndpoint(provider, pool.standings.standing(of: provider), start: start)
    }
    self.endpoints = endpoints
    // From the start: of a count that appears with its first event, Prometheus does not see that it grew.
    for provider in settings.providers {
      for model in provider.models { _ = tally.model("\(provider.name)/\(model.name)") }
    }
    fallback = settings.fallback.compactMap(target)
  }

  /// The model that a name means; nil: no provider has it.
  func target(named name: String) -> Target? {
    if let target = known[name] { return target }
    guard let (provider, model) = settings.resolve(name), let endpoint = endpoints[provider.name] else { return nil }
    let isListed = provider.models.contains { $0.name == model.name }
    // Counted together where any name passes, or clients could have us count as many as they can think of.
    let counted = isListed ? model.name : Settings.Model.any
    let target = Target(endpoint: endpoint, model: model, tally: tally.model("\(provider.name)/\(counted)"))
    if isListed { known[name] = target }
    return target
  }

  /// Of each provider, in the settings' order, whether it is being left out.
  func breakers(at now: Instant) -> [(provider: String, isOpen: Bool)] {
    settings.providers.map { ($0.name, endpoints[$0.name]?.standing.isLeftOut(at: now) ?? false) }
  }
}
