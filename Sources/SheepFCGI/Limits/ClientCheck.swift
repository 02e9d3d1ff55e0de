import Streaming

/// Who asks, by what the web server tells, and whether one more request of theirs may pass.
enum ClientCheck {
  /// They have a guard of their own (`status.allow`), or need none.
  private static let operatorsRoutes = ["/ping", "/status", "/metrics"]

  /// The key that the request brings; nil: none, and none is needed.
  static func key(of request: Request, _ access: Settings.ClientAccess?) throws(Failure) -> ClientKey? {
    // A browser asks without a key whether it may send one (Fetch standard, 4.8).
    guard let access, !operatorsRoutes.contains(request.path), request.method != "OPTIONS" else { return nil }
    if let presented = ClientKeys.presented(request.params) {
      guard let key = access.keys.owner(of: presented) else {
        throw Failure(.unauthorized, "this key is not one of the site's; ask its operator for one")
      }
      return key
    }
    switch access.required {
    case .v1 where !request.path.hasPrefix("/v1/"): return nil
    case .v1, .all: throw Failure(.unauthorized, "a key is needed here; send it as Authorization: Bearer KEY")
    }
  }

  /// Counts the request where it is under a limit. Nil: it is not.
  static func admission(
    of request: Request, _ key: ClientKey?, on worker: Worker
  ) throws(Failure) -> Admission? {
    let limits = worker.settings.limits.client
    let quota = Quota(streams: limits.streams, requestsPerMinute: limits.requestsPerMinute)
    // Told apart only where it counts: most sites have no such limit.
    let client = quota.isUnbounded ? nil : client(of: request, key, by: limits.by)
    let claims = Claims(client: client, quota, key: key?.name, key?.quota ?? Quota())
    return claims.isEmpty ? nil : try Admission(claims, on: worker)
  }

  private static func client(
    of request: Request, _ key: ClientKey?, by measure: Settings.Limits.Client.Measure
  ) -> ClientID {
    switch measure {
    case .key:
      if let key { return ClientID(text: "key:\(key.name)") }
    case .header(let name):
      if let value = request.params.value(of: name) { return ClientID(text: "\(name):\(value)") }
    case .address: break
    }
    let address = request.params["REMOTE_ADDR"] ?? ""
    // What nginx puts there for a Unix socket, and nothing at all, are one client each.
    return HostAddress(address)?.client ?? ClientID(text: address)
  }
}

extension HostAddress {
  fileprivate var client: ClientID { ClientID(addressHigh: words.high, low: words.low) }
}
