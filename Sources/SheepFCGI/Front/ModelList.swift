import Streaming

/// `/v1/models`: OpenAI's list of models, with their prices. The default model comes first.
enum ModelList {
  static func body(of settings: Settings) -> [UInt8] {
    var entries: [(id: String, provider: String, price: Price?)] = []
    for provider in settings.providers {
      for model in provider.models where model.name != Settings.Model.any {
        entries.append(("\(provider.name)/\(model.name)", provider.name, model.price))
      }
    }
    if let (provider, model) = settings.resolve(settings.defaultModel) {
      let id = "\(provider.name)/\(model.name)"
      entries.removeAll { $0.id == id }
      entries.insert((id, provider.name, model.price), at: 0)
    }
    var body: [UInt8] = []
    body.append("{\"object\":\"list\",\"data\":[")
    for (index, entry) in entries.enumerated() {
      body.append(index == 0 ? "{\"id\":" : ",{\"id\":")
      JSONEscaping.append(entry.id, to: &body)
      body.append(",\"object\":\"model\",\"created\":0,\"owned_by\":")
      JSONEscaping.append(entry.provider, to: &body)
      body.append(",\"price_per_mtok\":\(entry.price.map(text) ?? "null")}")
    }
    body.append("]}\n")
    return body
  }

  /// As the configuration file writes it: one number where all three are the same.
  private static func text(_ price: Price) -> String {
    let (prompt, cached, completion) = (price.prompt, price.cached, price.completion)
    if prompt == cached, prompt == completion { return Decimal.text(prompt) }
    return "{\"prompt\":\(Decimal.text(prompt)),\"cached\":\(Decimal.text(cached)),"
      + "\"completion\":\(Decimal.text(completion))}"
  }
}
