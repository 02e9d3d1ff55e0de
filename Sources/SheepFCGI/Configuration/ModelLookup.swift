extension Settings {
  /// The provider and model that a name means: `provider/model`, or a bare name that some provider lists.
  ///
  /// A provider with the model `*` takes any name, and takes a bare one that nobody lists. The model that is returned
  /// then carries the name that was asked for. Nil: no provider has it.
  func resolve(_ name: String) -> (provider: Provider, model: Model)? {
    // Model names may hold slashes themselves (`meta-llama/llama-3`): only a known provider makes the first part one.
    if let slash = name.firstIndex(of: "/"), let provider = providers.first(where: { $0.name == name[..<slash] }) {
      let bare = String(name[name.index(after: slash)...])
      return (provider.lists(bare) ?? provider.takes(bare)).map { (provider, $0) }
    }
    return first(name) { $0.lists($1) } ?? first(name) { $0.takes($1) }
  }

  private func first(_ name: String, _ find: (Provider, String) -> Model?) -> (provider: Provider, model: Model)? {
    for provider in providers {
      if let model = find(provider, name) { return (provider, model) }
    }
    return nil
  }

  /// What `defaultModel` is where nobody sets it: the first model that has a name. Empty: there is none.
  var firstModel: String {
    for provider in providers {
      if let model = provider.models.first(where: { $0.name != Model.any }) { return "\(provider.name)/\(model.name)" }
    }
    return ""
  }
}

extension Settings.Model {
  /// The name that lets any other through.
  static let any = "*"
}

extension Settings.Provider {
  fileprivate func lists(_ name: String) -> Settings.Model? {
    name == Settings.Model.any ? nil : models.first { $0.name == name }
  }

  fileprivate func takes(_ name: String) -> Settings.Model? {
    guard !name.isEmpty, name != Settings.Model.any, let any = models.first(where: { $0.name == Settings.Model.any })
    else { return nil }
    return Settings.Model(name: name, price: any.price)
  }
}
