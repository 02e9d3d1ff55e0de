/// Writes an answer as `/stream` sends it: the events that the README lists.
public struct EventStreamWriter: Sendable {
  /// The `id` of `done`, and of the terminal event.
  public let requestID: String

  public init(requestID: String) {
    self.requestID = requestID
  }

  /// What `done` tells.
  public struct Completion: Equatable, Sendable {
    /// `provider/model`, as resolved.
    public var model: String
    public var finishReason: FinishReason
    public var usage: Usage?
    /// US dollars; nil where the price or the usage is unknown.
    public var cost: Double?
    /// Milliseconds until the first token; nil where there was none.
    public var firstToken: Int?
    /// Milliseconds in all.
    public var duration: Int
    /// Events that were no JSON object.
    public var skipped: Int
  }

  /// The head of the answer, without what the Front adds to every answer.
  public static let header = ResponseHeader(
    status: 200,
    [
      ("Content-Type", "text/event-stream; charset=utf-8"),
      ("Cache-Control", "no-cache, no-transform"),
      ("X-Accel-Buffering", "no"),
    ])

  public func token(_ text: Span<UInt8>, to output: inout [UInt8]) {
    output.append("data: {\"token\":\"")
    output.append(text)
    output.append("\"}\n\n")
  }

  public func reasoning(_ text: Span<UInt8>, to output: inout [UInt8]) {
    output.append("event: reasoning\n")
    token(text, to: &output)
  }

  public func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8]) {
    output.append("event: tool_call\ndata: {\"index\":")
    output.append(decimal: fragment.index)
    if let id = fragment.id {
      member("id", id, in: data, to: &output)
    } else if fragment.isFirst {
      output.append(",\"id\":")
      JSONEscaping.append("call_\(requestID)_\(fragment.index)", to: &output)
    }
    if let name = fragment.name { member("name", name, in: data, to: &output) }
    output.append(",\"arguments\":")
    switch fragment.arguments {
    case .literal(let literal)?: string(literal, in: data, to: &output)
    case .json(let range)?: JSONEscaping.append(data.extracting(range), to: &output)
    case nil: output.append("\"\"")
    }
    output.append("}\n\n")
  }

  public func ping(to output: inout [UInt8]) {
    output.append(": ping\n\n")
  }

  public func done(_ completion: Completion, to output: inout [UInt8]) {
    output.append("event: done\nid: \(requestID).end\ndata: {\"id\":")
    JSONEscaping.append(requestID, to: &output)
    output.append(",\"model\":")
    JSONEscaping.append(completion.model, to: &output)
    output.append(",\"finish_reason\":")
    JSONEscaping.append(completion.finishReason.name, to: &output)
    output.append(",\"usage\":")
    if let usage = completion.usage {
      output.append("{\"prompt_tokens\":\(usage.promptTokens),\"completion_tokens\":\(usage.completionTokens)")
      output.append(",\"total_tokens\":\(usage.totalTokens)}")
    } else {
      output.append("null")
    }
    if let cost = completion.cost { output.append(",\"cost_usd\":\(Decimal.text(cost))") }
    output.append(",\"ttft_ms\":\(completion.firstToken.map(String.init) ?? "null")")
    output.append(",\"duration_ms\":\(completion.duration)")
    if completion.skipped > 0 { output.append(",\"skipped\":\(completion.skipped)") }
    output.append("}\n\n")
  }

  public func error(_ failure: Failure, to output: inout [UInt8]) {
    output.append("event: error\nid: \(requestID).end\ndata: {\"type\":\"\(failure.kind.rawValue)\",\"message\":")
    JSONEscaping.append(failure.message, to: &output)
    output.append(",\"status\":\(failure.status),\"retryable\":\(failure.isRetryable)")
    if let seconds = failure.retryAfter { output.append(",\"retry_after\":\(seconds)") }
    output.append("}\n\n")
  }

  private func member(
    _ name: StaticString, _ literal: JSONLiteral, in data: Span<UInt8>, to output: inout [UInt8]
  ) {
    output.append(",\"")
    output.append(name)
    output.append("\":")
    string(literal, in: data, to: &output)
  }

  private func string(_ literal: JSONLiteral, in data: Span<UInt8>, to output: inout [UInt8]) {
    output.append("\"")
    output.append(data.extracting(literal.range))
    output.append("\"")
  }
}

/// Small sums of money as JSON numbers.
public enum Decimal {
  /// Without an exponent, to a ten-thousandth of a millionth: `0.0000458`.
  public static func text(_ value: Double) -> String {
    guard value.isFinite, value >= 0, value < 1e8 else { return "0" }
    let scaled = UInt64((value * 1e10).rounded())
    let (whole, part) = scaled.quotientAndRemainder(dividingBy: 10_000_000_000)
    guard part > 0 else { return String(whole) }
    var digits = String(part)
    digits = String(repeating: "0", count: 10 - digits.count) + digits
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }
}
