import CCurl
import Glibc
import Streaming

/// One question to a provider, for the models that it has: it costs nothing, and needs the key.
final class ProviderProbe {
  let provider: Settings.Provider
  /// Which of the provider's keys; nil: it has none.
  let key: Int?
  /// Known once it has been run.
  private(set) var result = CURLE_OK
  private(set) var status = 0
  /// Why the certificate is not trusted (X509_verify_cert(3)); 0: it was not the chain.
  private(set) var verification = 0
  /// Seconds since 1970; nil: no TLS.
  private(set) var certificateEnd: time_t?
  /// How far the provider's clock is before ours, in seconds; nil: it tells none.
  private(set) var skew: Double?

  private let easy: UnsafeMutableRawPointer
  private let headers: StringList

  /// Beyond the time for the connection, for the answer.
  private static let answerTime = Duration.seconds(10)

  init?(_ provider: Settings.Provider, key: Int?, connectTimeout: Duration) {
    guard let easy = curl_easy_init() else { return nil }
    self.provider = provider
    self.key = key
    self.easy = easy
    headers = StringList(provider.headerLines(key: key.map { provider.apiKeys[$0] }))
    prepare(connectTimeout)
  }

  deinit {
    curl_easy_cleanup(easy)
  }

  private func prepare(_ connectTimeout: Duration) {
    // Anthropic's base URL is without the version, as its maker's own library takes it.
    let path = provider.wire == .anthropic ? "/v1/models" : "/models"
    provider.prepare(easy, path: path, connectTimeout: connectTimeout)
    sheep_easy_set_list(easy, CURLOPT_HTTPHEADER, headers.list)
    let limit = connectTimeout + Self.answerTime
    sheep_easy_set_long(easy, CURLOPT_TIMEOUT_MS, Int(limit.nanoseconds / 1_000_000))
    sheep_easy_set_long(easy, CURLOPT_CERTINFO, 1)
    sheep_easy_set_pointer(easy, CURLOPT_HEADERDATA, Unmanaged.passUnretained(self).toOpaque())
    // Nobody reads the list; libcurl's own function would print it.
    sheep_easy_set_write(easy) { _, size, count, _ in size * count }
    sheep_easy_set_header(easy) { bytes, size, count, context in
      guard let context, let bytes else { return 0 }
      let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
      Unmanaged<ProviderProbe>.fromOpaque(context).takeUnretainedValue().receive(line)
      return size * count
    }
  }

  private func receive(_ line: String) {
    let parts = line.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0].lowercased() == "date" else { return }
    let date = curl_getdate(String(parts[1]), nil)
    if date >= 0 { skew = Double(date) - Clock.wall() }
  }

  // MARK: Running

  /// Asks all at the same time. Blocks until each has answered, or its time is up.
  static func run(_ probes: [ProviderProbe]) {
    guard let multi = curl_multi_init() else { return }
    defer { curl_multi_cleanup(multi) }
    for probe in probes { curl_multi_add_handle(multi, probe.easy) }
    var running: Int32 = 1
    while running > 0 {
      guard curl_multi_perform(multi, &running) == CURLM_OK else { break }
      if running > 0 { curl_multi_poll(multi, nil, 0, 1000, nil) }
    }
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left)?.pointee {
      guard message.msg == CURLMSG_DONE, let easy = message.easy_handle else { continue }
      probes.first { $0.easy == easy }?.ended(message.data.result)
    }
    for probe in probes { curl_multi_remove_handle(multi, probe.easy) }
  }

  private func ended(_ result: CURLcode) {
    self.result = result
    sheep_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
    sheep_easy_get_long(easy, CURLINFO_SSL_VERIFYRESULT, &verification)
    certificateEnd = firstCertificateEnd()
  }

  /// Of the provider's own certificate, which comes first.
  private func firstCertificateEnd() -> time_t? {
    var certificates: UnsafeMutablePointer<curl_certinfo>?
    sheep_easy_get_certificates(easy, &certificates)
    guard let info = certificates?.pointee, info.num_of_certs > 0 else { return nil }
    var entry = info.certinfo?[0]
    while let line = entry?.pointee {
      let text = line.data.map { String(cString: $0) } ?? ""
      if text.hasPrefix("Expire date:") {
        let date = curl_getdate(String(text.dropFirst("Expire date:".utf8.count)), nil)
        return date >= 0 ? date : nil
      }
      entry = line.next
    }
    return nil
  }
}
