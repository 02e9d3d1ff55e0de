import CCurl
import Glibc

/// Whether each provider can be reached, is who it says, and takes the key; and what their clocks say of ours.
struct ProviderCheck {
  private(set) var findings: [Finding] = []
  /// The smallest difference between a provider's clock and ours, in seconds: one of them may be wrong itself.
  private var skew: Double?

  /// A certificate that ends before then is to be renewed now.
  private static let certificateTime: time_t = 14 * 86_400
  /// A clock that is off by more breaks signatures and certificates, and makes logs hard to compare.
  private static let skewBound = 60.0

  init(_ settings: Settings) {
    curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    var probes: [ProviderProbe] = []
    // Without its key a provider only refuses; that the key is missing is told as such.
    for provider in settings.providers where provider.missingKey == nil {
      let keys: [Int?] = provider.apiKeys.isEmpty ? [nil] : provider.apiKeys.indices.map { $0 }
      probes += keys.compactMap { ProviderProbe(provider, key: $0, connectTimeout: settings.timeouts.connect) }
    }
    ProviderProbe.run(probes)
    for probe in probes {
      if let own = probe.skew, abs(own) < abs(skew ?? .infinity) { skew = own }
      // What keeps one key from being tried keeps the others.
      if probe.key ?? 0 == 0 || probe.result == CURLE_OK { tell(probe) }
    }
    checkClock()
  }

  private mutating func tell(_ probe: ProviderProbe) {
    guard probe.result == CURLE_OK else {
      findings.append(Self.failure(probe))
      return
    }
    findings.append(Self.answer(probe))
    guard probe.key ?? 0 == 0, let end = probe.certificateEnd else { return }
    let left = end - time_t(Clock.wall())
    guard left < Self.certificateTime else { return }
    findings.append(
      .warning(
        "provider.certificate", probe.provider.name, "its certificate ends in \(left / 86_400) days",
        "have it renewed by who runs the provider"))
  }

  private static func subject(_ probe: ProviderProbe) -> String {
    guard let key = probe.key, probe.provider.apiKeys.count > 1 else { return probe.provider.name }
    return "\(probe.provider.name), key \(key + 1)"
  }

  // MARK: No answer

  private static func failure(_ probe: ProviderProbe) -> Finding {
    func problem(_ check: String, _ text: String, _ remedy: String) -> Finding {
      .problem("provider.\(check)", probe.provider.name, text, remedy)
    }
    switch probe.result {
    case CURLE_COULDNT_RESOLVE_HOST:
      return problem("name", "the name of its host is not found", "put base_url right, or the machine's name servers")
    case CURLE_COULDNT_RESOLVE_PROXY:
      return problem("name", "the name of the proxy is not found", "put https_proxy right, or unset it")
    case CURLE_COULDNT_CONNECT:
      return problem("connect", "nobody takes the connection", "put base_url right, or the firewall between")
    case CURLE_OPERATION_TIMEDOUT:
      return problem("connect", "it does not answer in time", "look at the network and firewall between")
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE,
      CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER:
      let (text, remedy) = tls(probe)
      return problem("tls", text, remedy)
    default:
      let why = String(cString: curl_easy_strerror(probe.result))
      return problem("connect", "no answer: \(why)", "put base_url right, or look at the network between")
    }
  }

  private static func tls(_ probe: ProviderProbe) -> (text: String, remedy: String) {
    let trust = "put its issuer's certificate among the trusted ones, or name a file with it in SSL_CERT_FILE"
    switch (probe.result, probe.verification) {
    case (CURLE_SSL_CACERT_BADFILE, _):
      return ("the file of trusted certificates cannot be read", "install ca-certificates, or put SSL_CERT_FILE right")
    case (CURLE_PEER_FAILED_VERIFICATION, 9):
      return ("its certificate is not valid yet", "put this machine's clock right")
    case (CURLE_PEER_FAILED_VERIFICATION, 10):
      let remedy = "have it renewed by who runs the provider, or put this machine's clock right"
      return ("its certificate has expired", remedy)
    case (CURLE_PEER_FAILED_VERIFICATION, 18), (CURLE_PEER_FAILED_VERIFICATION, 19):
      return ("its certificate is signed by itself", trust)
    // libcurl itself compares the names, before it notes that the chain is in order.
    case (CURLE_PEER_FAILED_VERIFICATION, 0), (CURLE_PEER_FAILED_VERIFICATION, 1), (CURLE_PEER_FAILED_VERIFICATION, 62),
      (CURLE_PEER_FAILED_VERIFICATION, 64):
      return ("its certificate is another host's", "write base_url with the name that the certificate has")
    case (CURLE_PEER_FAILED_VERIFICATION, _):
      return ("nobody whom this machine trusts has signed its certificate", trust)
    default:
      return (
        "TLS fails: \(String(cString: curl_easy_strerror(probe.result)))",
        "put base_url right: does https:// belong there, and to that port?"
      )
    }
  }

  // MARK: An answer

  private static func answer(_ probe: ProviderProbe) -> Finding {
    let subject = subject(probe)
    let hasKey = probe.key != nil
    switch probe.status {
    case 200..<300:
      return .ok("provider.key", subject, hasKey ? "it takes the key" : "it answers; there is no key to try")
    case 401, 403:
      let text = hasKey ? "it refuses the key (\(probe.status))" : "it wants a key (\(probe.status))"
      return .problem("provider.key", subject, text, "set api_key to one of its keys that is valid")
    case 404, 405:
      return .ok("provider.key", subject, "it answers, but lists no models, so the key was not tried")
    case 429: return .ok("provider.key", subject, "it answers, but is asked too much to say more (429)")
    case 300..<400:
      return .warning(
        "provider.answer", subject, "it leads elsewhere (\(probe.status)), and the program follows nobody",
        "write base_url as its documentation has it")
    default:
      return .warning(
        "provider.answer", subject, "it answers with status \(probe.status)", "ask again later, or put base_url right")
    }
  }

  // MARK: The clock

  private mutating func checkClock() {
    guard let skew else { return }
    let seconds = Int(abs(skew).rounded())
    if Double(seconds) > Self.skewBound {
      findings.append(
        .problem(
          "clock.skew", "clock", "it is \(seconds) s \(skew > 0 ? "behind" : "before") the providers'",
          "have it set by the network (systemd-timesyncd, chrony)"))
    } else {
      findings.append(.ok("clock.skew", "clock", "it agrees with the providers'"))
    }
  }
}
