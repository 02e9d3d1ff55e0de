import NIOCore
import NIOHTTP1

/// The answer to one chat request: a machine that says what to send next. Who carries it out is `ReplySender`.
struct Reply {
  /// What comes after the bytes that a step wrote.
  enum Step: Equatable {
    /// Another step, when it is due.
    case more
    /// The end of the body, after so many milliseconds.
    case end(linger: Int)
    /// Nothing, with the connection open.
    case stall
    /// The end of the connection, inside the body.
    case cut
    /// The end of the connection, by a reset.
    case reset
  }

  private enum Kind: Equatable {
    /// The head at once, then events.
    case stream
    /// The head with the body, all at once.
    case completion
    case failure(Int)
    case page
    case empty
    case silence
  }

  let script: Script
  /// Tokens that were sent.
  private(set) var sent = 0

  private let kind: Kind
  private var generation: Generation
  private let writer: ChunkWriter
  private let promptTokens: Int
  private let wantsUsage: Bool

  init(to request: ChatRequest, id: String) {
    if let script = Script(request.prompt) {
      self.script = script
      generation = Generation(script)
    } else {
      var script = Script()
      script.rate = SmallTalk.rate
      self.script = script
      generation = Generation(pieces: SmallTalk.words(about: request.prompt))
    }
    kind =
      if script.isSilent {
        .silence
      } else if let status = script.failStatus {
        .failure(status)
      } else if script.isPage {
        .page
      } else if script.isEmpty {
        .empty
      } else {
        script.isWhole || !request.isStreamed ? .completion : .stream
      }
    writer = ChunkWriter(id: id, model: request.model)
    promptTokens = max(1, request.wordCount)
    wantsUsage = request.wantsUsage
    // A stream may go on for ever, but a whole answer is held in memory.
    if kind == .completion { generation.limit(toBytes: 64 << 20, tokenBytes: script.sizeBytes) }
  }

  var isStream: Bool { kind == .stream }
  var isSilent: Bool { kind == .silence }

  /// Nanoseconds before the first step: for a whole answer also what its tokens take, at most a thousand days.
  var delay: UInt64 {
    let first = UInt64(script.firstDelay) * 1_000_000
    guard kind == .completion else { return first }
    return first + UInt64(min(Double(generation.count) * Double(interval), 8.64e16))
  }

  /// Nanoseconds from step to step; 0: none.
  var interval: UInt64 { script.rate > 0 ? UInt64(1e9 / script.rate) : 0 }

  var status: HTTPResponseStatus {
    if case .failure(let status) = kind { HTTPResponseStatus(statusCode: status) } else { .ok }
  }

  var headers: HTTPHeaders {
    switch kind {
    case .stream, .empty:
      return ["content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"]
    case .page:
      return ["content-type": "text/html; charset=utf-8"]
    case .completion, .silence:
      return ["content-type": "application/json"]
    case .failure:
      var headers: HTTPHeaders = ["content-type": "application/json"]
      if let seconds = script.retryAfter { headers.add(name: "retry-after", value: String(seconds)) }
      return headers
    }
  }

  /// What a stream says before its first token.
  func opening(to output: inout ByteBuffer) {
    writer.role(to: &output)
  }

  /// Writes what is due. `time` is CLOCK_MONOTONIC in nanoseconds.
  mutating func next(at time: UInt64, to output: inout ByteBuffer) -> Step {
    switch kind {
    case .stream: return nextEvent(at: time, to: &output)
    case .completion: return completion(at: time, to: &output)
    case .failure(let status): output.writeString(ErrorBody(status: status).json)
    case .page: output.writeString(Self.page)
    case .empty: break
    case .silence: return .stall
    }
    return .end(linger: script.linger)
  }

  private mutating func nextEvent(at time: UInt64, to output: inout ByteBuffer) -> Step {
    if let interruption = script.interruption, sent >= interruption.after {
      if interruption.kind == .error { writer.error(Self.rateLimit, to: &output) }
      return Self.step(interruption.kind)
    }
    guard sent < generation.count else {
      writer.ending(reason: finishReason, usage: wantsUsage ? usage : nil, to: &output)
      return .end(linger: script.linger)
    }
    let isPadded = sent == generation.reasoningCount && generation.contentCount > 0
    writer.token(
      generation.token(sent), at: time, sizeBytes: script.sizeBytes, lineBytes: isPadded ? script.lineBytes : 0,
      to: &output)
    sent += 1
    return .more
  }

  /// An interrupted one sends its first half.
  private mutating func completion(at time: UInt64, to output: inout ByteBuffer) -> Step {
    let interruption = script.interruption?.kind
    switch interruption {
    case .drop: return .reset
    case .error: output.writeString(Self.rateLimit.json)
    case .cut, .stall, .truncate, nil:
      sent = generation.count
      writer.completion(
        of: generation, at: time, sizeBytes: script.sizeBytes, reason: finishReason, usage: usage, to: &output)
      if interruption != nil { output.moveWriterIndex(to: output.writerIndex / 2) }
    }
    return interruption.map(Self.step) ?? .end(linger: script.linger)
  }

  private static func step(_ kind: Script.Interruption.Kind) -> Step {
    switch kind {
    case .drop: .reset
    case .cut: .cut
    case .stall: .stall
    case .error, .truncate: .end(linger: 0)
    }
  }

  private var finishReason: String {
    script.finishReason ?? (generation.toolCount > 0 ? "tool_calls" : "stop")
  }

  private var usage: ChunkWriter.Usage {
    ChunkWriter.Usage(
      promptTokens: promptTokens, completionTokens: sent, reasoningTokens: min(sent, generation.reasoningCount))
  }

  private static let rateLimit = ErrorBody(
    message: "mock failure: the prompt asked for an error inside the stream", type: "rate_limit_error",
    code: .number(429))

  private static let page = """
    <!doctype html>
    <html><head><title>Welcome</title></head>
    <body><h1>Welcome</h1><p>This is a web page, as a wrong base URL or a captive portal answers.</p></body></html>

    """
}
