import Foundation
import NIOCore
import NIOHTTP1

/// One connection: collects each request, answers the short ones, hands the others to a `ReplySender`.
///
/// Requests come one at a time; the pipeline holds the next one back until this one is answered.
final class RequestHandler: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  /// 64 MiB.
  private static let bodyLimitBytes = 64 << 20

  private enum State {
    case idle
    case receiving(HTTPRequestHead)
    /// Refused; the rest of its body is thrown away.
    case discarding
    case replying(ReplySender)
    /// Nothing more is answered here.
    case closing
  }

  private let statistics: Statistics
  private var state = State.idle
  private var body = ByteBuffer()

  init(statistics: Statistics) {
    self.statistics = statistics
  }

  func channelActive(context: ChannelHandlerContext) {
    statistics.connectionOpens()
    context.fireChannelActive()
  }

  func channelInactive(context: ChannelHandlerContext) {
    statistics.connectionCloses()
    if case .replying(let sender) = state { sender.peerClosed() }
    state = .closing
    context.fireChannelInactive()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    if case .replying(let sender) = state, context.channel.isWritable { sender.awaitTurn() }
    context.fireChannelWritabilityChanged()
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.close(promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    switch (unwrapInboundIn(data), state) {
    case (.head(let head), .idle): begin(head, context)
    case (.body(let part), .receiving(let head)): collect(part, of: head, context)
    case (.end, .receiving(let head)): route(head, context)
    case (.end, .discarding):
      state = .closing
      context.close(promise: nil)
    default: break
    }
  }

  private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    if let length = head.headers.first(name: "content-length").flatMap(Int.init), length > Self.bodyLimitBytes {
      return refuse(head, context)
    }
    state = .receiving(head)
    if head.headers[canonicalForm: "expect"].contains("100-continue") {
      let go = HTTPResponseHead(version: head.version, status: .continue)
      context.writeAndFlush(wrapOutboundOut(.head(go)), promise: nil)
    }
  }

  private func collect(_ part: ByteBuffer, of head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    guard body.readableBytes + part.readableBytes <= Self.bodyLimitBytes else { return refuse(head, context) }
    body.writeImmutableBuffer(part)
  }

  private func route(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    let received = body
    body = ByteBuffer()
    state = .idle
    let path = head.uri.prefix { $0 != "?" }
    if head.method == .GET, path == "/stats" {
      return answer(.ok, statistics.json, to: head, context)
    }
    if head.method == .POST, path.hasSuffix("/chat/completions") {
      return chat(head, received, context)
    }
    statistics.record(head, body: nil)
    if head.method == .GET, path.hasSuffix("/models") {
      return answer(.ok, Self.models, to: head, context)
    }
    let error = ErrorBody(
      message: "unknown request: \(head.method) \(path); there is POST …/chat/completions, GET …/models, GET /stats",
      type: "invalid_request_error", code: .word("unknown_url"))
    answer(.notFound, error.json, to: head, context)
  }

  private func chat(_ head: HTTPRequestHead, _ received: ByteBuffer, _ context: ChannelHandlerContext) {
    let number = statistics.requestBegins()
    do throws(ChatRequest.Malformed) {
      statistics.record(head, body: nil)
      let object = try ChatRequest.parse(Data(received.readableBytesView))
      statistics.record(head, body: received)
      reply(Reply(to: try ChatRequest(object), id: "chatcmpl-mock-\(number)"), to: head, context)
    } catch {
      statistics.requestIsDecided(.finished)
      statistics.requestEnds()
      let error = ErrorBody(message: error.message, type: "invalid_request_error", code: .word("invalid_body"))
      answer(.badRequest, error.json, to: head, context)
    }
  }

  private func reply(_ reply: Reply, to head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    let sender = ReplySender(reply, to: head, on: context.channel, statistics: statistics) { [weak self] in
      self?.state = head.isKeepAlive ? .idle : .closing
    }
    state = .replying(sender)
    sender.start()
  }

  private func refuse(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
    body = ByteBuffer()
    statistics.record(head, body: nil)
    let error = ErrorBody(
      message: "the body is larger than \(Self.bodyLimitBytes) bytes", type: "invalid_request_error",
      code: .word("request_too_large"))
    var head = head
    head.headers.replaceOrAdd(name: "connection", value: "close")
    // Closed only when the client has sent the rest: an early close would reset the answer away.
    state = .discarding
    write(.payloadTooLarge, error.json, to: head, context)
  }

  private func answer(
    _ status: HTTPResponseStatus, _ json: String, to head: HTTPRequestHead, _ context: ChannelHandlerContext
  ) {
    state = head.isKeepAlive ? .idle : .closing
    let written = write(status, json, to: head, context)
    if !head.isKeepAlive {
      let channel = context.channel
      written.whenComplete { _ in channel.close(promise: nil) }
    }
  }

  @discardableResult
  private func write(
    _ status: HTTPResponseStatus, _ json: String, to request: HTTPRequestHead, _ context: ChannelHandlerContext
  ) -> EventLoopFuture<Void> {
    let body = ByteBuffer(string: json)
    var head = HTTPResponseHead(version: request.version, status: status)
    head.headers.add(name: "content-type", value: "application/json")
    head.headers.add(name: "content-length", value: String(body.readableBytes))
    if !request.isKeepAlive { head.headers.add(name: "connection", value: "close") }
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    if request.method != .HEAD { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
    return context.writeAndFlush(wrapOutboundOut(.end(nil)))
  }

  private static let models: String = {
    let names = ["mock", "mock-mini", "mock-large"].map {
      "{\"id\":\"\($0)\",\"object\":\"model\",\"created\":1767225600,\"owned_by\":\"mock-provider\"}"
    }
    return "{\"object\":\"list\",\"data\":[\(names.joined(separator: ","))]}\n"
  }()
}
