import CCurl
import Glibc
import Streaming

/// One HTTP request to a provider, and its reply as it comes. Bound to its worker's thread.
final class UpstreamCall {
  /// Who hears of it; nil once nobody wants to any more. The listener sees to that at its end.
  var listener: (any UpstreamListener)?
  /// Whether it is this call's part to look the host's name up afresh; see `NameGate`.
  var looksNameUp = false

  private let endpoint: ProviderEndpoint
  /// Which of the provider's keys it is sent with.
  private let key: Int?
  private let connectTimeout: Duration
  private let path: String
  /// The request's, which libcurl reads from here; nil once it has been sent and answered.
  private var body: UnsafeMutableRawBufferPointer?
  private var easy: UnsafeMutableRawPointer?
  private var head = ResponseHead()
  private var isPaused = false
  private var hasNoDescriptor = false
  private var isRepeated = false
  /// Bytes that came after the last that anyone wanted.
  private var surplus = 0

  /// After the answer's end so many bytes may follow before the connection is given up rather than read to its end.
  private static let surplusBound = 64 << 10
  /// Of libcurl's receive buffer, which each running transfer has. A token's event is a few hundred bytes. Of
  /// twice as many a stream costs 1 kB more, and a flood of tokens is no faster.
  private static let bufferBytes = 1 << 10
  /// With less, libcurl 7.88 leaves bytes of HTTP/2 unread in TLS.
  private static let http2BufferBytes = 16 << 10

  /// How long libcurl keeps a host's address; `NameGate` has it asked for anew before that.
  private static let addressSeconds = 3600

  init(
    _ request: ProviderRequest, to endpoint: ProviderEndpoint, key: Int?, connectTimeout: Duration,
    listener: any UpstreamListener
  ) {
    path = request.path
    // Its address must hold as long as libcurl reads it.
    let body = UnsafeMutableRawBufferPointer.allocate(byteCount: request.body.count, alignment: 1)
    body.copyBytes(from: request.body)
    self.body = body
    self.endpoint = endpoint
    self.key = key
    self.connectTimeout = connectTimeout
    self.listener = listener
  }

  deinit {
    body?.deallocate()
  }

  /// Sets up the handle. The call must outlive the transfer: `CurlMulti` sees to that.
  func prepare(_ easy: UnsafeMutableRawPointer) {
    self.easy = easy
    let unretained = Unmanaged.passUnretained(self).toOpaque()
    endpoint.provider.prepare(easy, path: path, connectTimeout: connectTimeout)
    sheep_easy_set_list(easy, CURLOPT_HTTPHEADER, endpoint.headers(key: key).list)
    if let body {
      sheep_easy_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
      sheep_easy_set_pointer(easy, CURLOPT_POSTFIELDS, body.baseAddress)
    }
    let isHTTP2 = endpoint.provider.http == .http2
    sheep_easy_set_long(easy, CURLOPT_BUFFERSIZE, isHTTP2 ? Self.http2BufferBytes : Self.bufferBytes)
    sheep_easy_set_long(easy, CURLOPT_DNS_CACHE_TIMEOUT, Self.addressSeconds)
    if looksNameUp { sheep_easy_set_list(easy, CURLOPT_RESOLVE, endpoint.forgetting.list) }
    // Every coding that libcurl undoes; that none is asked for is said by the endpoint's headers.
    sheep_easy_set_string(easy, CURLOPT_ACCEPT_ENCODING, "")
    sheep_easy_set_pointer(easy, CURLOPT_WRITEDATA, unretained)
    sheep_easy_set_pointer(easy, CURLOPT_HEADERDATA, unretained)
    sheep_easy_set_pointer(easy, CURLOPT_PREREQDATA, unretained)
    sheep_easy_set_pointer(easy, CURLOPT_OPENSOCKETDATA, unretained)
    sheep_easy_set_write(easy) { bytes, size, count, context in
      guard let context, let bytes else { return 0 }
      let this = Unmanaged<UpstreamCall>.fromOpaque(context).takeUnretainedValue()
      let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count).bindMemory(to: UInt8.self)
      return this.receive(buffer.span) ? size * count : 0
    }
    sheep_easy_set_header(easy) { bytes, size, count, context in
      guard let context, let bytes else { return 0 }
      let this = Unmanaged<UpstreamCall>.fromOpaque(context).takeUnretainedValue()
      let buffer = UnsafeRawBufferPointer(start: bytes, count: size * count).bindMemory(to: UInt8.self)
      this.receiveHeader(buffer.span)
      return size * count
    }
    sheep_easy_set_open_socket(easy) { context, _, address in
      guard let context, let address else { return -1 }
      return Unmanaged<UpstreamCall>.fromOpaque(context).takeUnretainedValue().openSocket(to: address.pointee)
    }
    sheep_easy_set_before_request(easy) { context, _, _, _, _ in
      if let context { Unmanaged<UpstreamCall>.fromOpaque(context).takeUnretainedValue().connectionStands() }
      return Int32(CURL_PREREQFUNC_OK)
    }
  }

  /// Nobody wants the answer any more. Returns the handle of the transfer that is to be ended, if one has begun.
  func abandon() -> UnsafeMutableRawPointer? {
    endpoint.gate.left(self)
    return detach()
  }

  /// Whether it is to be started again, once: over HTTP/2 libcurl does not do so itself where a kept connection takes its
  /// leave as the request comes (RFC 9113, section 6.8).
  func repeats(after result: CURLcode, _ easy: UnsafeMutableRawPointer) -> Bool {
    var (status, connections) = (0, 1)
    sheep_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
    sheep_easy_get_long(easy, CURLINFO_NUM_CONNECTS, &connections)
    guard result == CURLE_HTTP2, status == 0, connections == 0, !isRepeated else { return false }
    isRepeated = true
    return true
  }

  /// The handle is no longer this call's.
  func detach() -> UnsafeMutableRawPointer? {
    defer { easy = nil }
    return easy
  }

  // MARK: What libcurl tells

  /// The host's name is known. libcurl would open the socket itself, but not tell why it cannot.
  private func openSocket(to address: curl_sockaddr) -> Int32 {
    endpoint.gate.found(by: self)
    let type = address.socktype | Int32(SOCK_CLOEXEC.rawValue)
    let socket = socket(address.family, type, address.protocol)
    if socket < 0, errno == EMFILE || errno == ENFILE { hasNoDescriptor = true }
    return socket
  }

  private func connectionStands() {
    endpoint.gate.left(self)
  }

  private func receiveHeader(_ line: Span<UInt8>) {
    if line.count > 2 {
      head.consume(line: line, wallClock: Clock.wall())
    } else if head.status >= 200 {
      // libcurl would take the name for a coding that it lacks, and give the transfer up.
      if let easy, head.namesNoCoding { sheep_easy_set_long(easy, CURLOPT_HTTP_CONTENT_DECODING, 0) }
      releaseBody()
      listener?.upstreamAnswered(head)
    }
  }

  /// An open stream shall not hold on to a long conversation. libcurl reads a body again only where no answer came.
  private func releaseBody() {
    var sent: curl_off_t = 0
    guard let easy, let body, sheep_easy_get_size(easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK, sent >= body.count
    else { return }
    body.deallocate()
    self.body = nil
  }

  /// Returns false to break the transfer off.
  private func receive(_ bytes: Span<UInt8>) -> Bool {
    guard let listener else {
      surplus += bytes.count
      return surplus <= Self.surplusBound
    }
    listener.upstreamSent(bytes)
    return true
  }

  /// The transfer is over, and its handle is no longer the call's.
  func ended(_ result: Lifecycle.UpstreamEnd) {
    var end = result
    if case .unreachable = result, hasNoDescriptor { end = .noDescriptor }
    switch end {
    case .unreachable, .connectTimedOut: endpoint.gate.failed(self, end)
    default: endpoint.gate.left(self)
    }
    let listener = listener
    self.listener = nil
    listener?.upstreamEnded(end)
  }

  /// What libcurl's result means; `easy` is still as the transfer left it.
  static func end(_ result: CURLcode, _ easy: UnsafeMutableRawPointer) -> Lifecycle.UpstreamEnd {
    var status = 0
    sheep_easy_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
    if result == CURLE_OK { return .complete }
    // A head beyond libcurl's own bound.
    if result == CURLE_OUT_OF_MEMORY { return .noResponse }
    if status != 0 { return .brokenOff }
    var proxyStatus = 0
    sheep_easy_get_long(easy, CURLINFO_HTTP_CONNECTCODE, &proxyStatus)
    if proxyStatus >= 300 { return .unreachable("the proxy answers with status \(proxyStatus)") }
    switch result {
    case CURLE_OPERATION_TIMEDOUT: return .connectTimedOut
    case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE: return .brokenOff
    case CURLE_HTTP2, CURLE_HTTP2_STREAM: return .brokenOff
    // HTTP/0.9 is what libcurl takes bytes without a status line for.
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY: return .noResponse
    case CURLE_COULDNT_RESOLVE_HOST: return .unreachable("its name is not found")
    case CURLE_COULDNT_RESOLVE_PROXY: return .unreachable("the name of the proxy is not found")
    case CURLE_COULDNT_CONNECT: return .unreachable("nobody takes the connection")
    case CURLE_PEER_FAILED_VERIFICATION: return .unreachable("its certificate is not trusted, or is another host's")
    default: return .unreachable(String(cString: curl_easy_strerror(result)))
    }
  }

  // MARK: What the listener asks

  func pause() {
    guard let easy, !isPaused else { return }
    isPaused = true
    curl_easy_pause(easy, CURLPAUSE_RECV)
  }

  /// May call back with what libcurl has kept, before it returns.
  func resume() {
    guard let easy, isPaused else { return }
    isPaused = false
    curl_easy_pause(easy, CURLPAUSE_CONT)
  }
}
