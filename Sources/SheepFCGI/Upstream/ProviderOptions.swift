import CCurl
import Glibc
import Streaming

extension Settings.Provider {
  /// Sets what all our requests to the provider have in common.
  /// - Parameter path: behind its base URL.
  func prepare(_ easy: UnsafeMutableRawPointer, path: String, connectTimeout: Duration) {
    sheep_easy_set_string(easy, CURLOPT_URL, baseURL + path)
    let version = http == .http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1
    sheep_easy_set_long(easy, CURLOPT_HTTP_VERSION, version)
    sheep_easy_set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, Int(connectTimeout.nanoseconds / 1_000_000))
    sheep_easy_set_long(easy, CURLOPT_NOSIGNAL, 1)
    // Else a transfer that is cancelled during its name lookup waits for the resolver's thread, and all streams with it.
    sheep_easy_set_long(easy, CURLOPT_QUICK_EXIT, 1)
    // The head of a proxy's answer to CONNECT is not the provider's.
    sheep_easy_set_long(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    sheep_easy_set_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
    sheep_easy_set_string(easy, CURLOPT_USERAGENT, "sheepfcgi/\(Program.version)")
    if let file = Self.trustedCertificates {
      sheep_easy_set_string(easy, CURLOPT_CAINFO, file)
      // With a directory beside the file, as Debian has it, libcurl would parse all the file's certificates again for each
      // connection, which takes 26 ms; without, the multi handle keeps them.
      sheep_easy_set_string(easy, CURLOPT_CAPATH, nil)
    }
  }

  /// The variables are those that curl's own program honours; libcurl leaves them to its caller.
  private static let trustedCertificates: String? = {
    for name in ["CURL_CA_BUNDLE", "SSL_CERT_FILE"] {
      if let file = getenv(name) { return String(cString: file) }
    }
    return sheep_version_info().pointee.cainfo.map { String(cString: $0) }
  }()

  /// As libcurl takes them: the key's, and those that the settings send along.
  func headerLines(key: String?) -> [String] {
    // libcurl sends a header without a value only if a semicolon stands in the colon's place.
    wire.headers(key: key) + headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
  }
}
