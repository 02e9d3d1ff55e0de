import Streaming

/// `/v1/models`: OpenAI's list of models, with their prices. The default model comes first. Who asks with a key is told
/// those that the key may use.
struct ModelList {
  private var entries: [(id: String, provider: String, price: Price?)] = []

  init(of settings: Settings, for key: ClientKey?) {
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
    if let key { entries.removeAll { !key.allows($0.id) } }
  }

  var body: [UInt8] {
    var body: [UInt8] = []
    body.append("{\"object\":\"list\",\"data\":[")
    for index in entries.indices {
      if index > 0 { body.append(",") }
      append(entry: index, to: &body)
    }
    body.append("]}\n")
    return body
  }

  /// One of them; nil: it is not listed.
  func body(of id: String) -> [UInt8]? {
    guard let index = entries.firstIndex(where: { $0.id == id }) else { return nil }
    var body: [UInt8] = []
    append(entry: index, to: &body)
    body.append("\n")
    return body
  }

  private func append(entry index: Int, to body: inout [UInt8]) {
    let (id, provider, price) = entries[index]
    body.append("{\"id\":")
    JSONEscaping.append(id, to: &body)
    body.append(",\"object\":\"model\",\"created\":0,\"owned_by\":")
    JSONEscaping.append(provider, to: &body)
    body.append(",\"price_per_mtok\":\(price.map(Self.text) ?? "null")}")
  }

  /// As the configuration file writes it: one number where all three are the same.
  private static func text(_ price: Price) -> String {
    let (prompt, cached, completion) = (price.prompt, price.cached, price.completion)
    if prompt == cached, prompt == completion { return Decimal.text(prompt) }
    return "{\"prompt\":\(Decimal.text(prompt)),\"cached\":\(Decimal.text(cached)),"
      + "\"completion\":\(Decimal.text(completion))}"
  }
}

extension Failure {
  static func unknownModel(_ name: String, status: Int) -> Failure {
    let what = "model '\(name.prefix(200))' is not served here; send one that /v1/models lists"
    return Failure(.badRequest, status: status, what)
  }
}
