import Streaming

/// A model that may be asked. Shared by all who ask it, so that an open stream holds no more of it than its place. Bound
/// to its worker's thread; a reload of the settings makes new ones.
final class Target {
  let endpoint: ProviderEndpoint
  let model: Settings.Model
  let speaker: Lifecycle.Speaker
  let tally: ModelTally

  init(endpoint: ProviderEndpoint, model: Settings.Model, tally: ModelTally) {
    self.endpoint = endpoint
    self.model = model
    self.tally = tally
    let provider = endpoint.provider
    speaker = Lifecycle.Speaker(
      model: "\(provider.name)/\(model.name)", provider: provider.name, price: model.price, secrets: provider.secrets)
  }

  var wire: Wire { endpoint.provider.wire }
  /// `provider/model`.
  var name: String { speaker.model }

  func request(_ ask: Ask) throws(Failure) -> ProviderRequest {
    let provider = endpoint.provider
    let options = ProviderRequest.Options(
      asksForUsage: provider.streamUsage, maxTokensField: provider.maxTokensField, maxTokens: provider.maxTokens)
    return try wire.request(ask, model: model.name, options)
  }
}
