/// Writes an answer as `/stream` sends it: the events that docs/protocol.md lists.
struct EventStreamWriter: AnswerWriter {
  /// The `id` of `done`, and of the terminal event.
  let requestID: String

  init(requestID: String) {
    self.requestID = requestID
  }

  var header: ResponseHeader { .eventStream }
  var failureForm: FailureForm { .problem }
  var collectedBytes: Int { 0 }

  func begin(model: String) {}

  func text(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    output.append("data: {\"token\":\"")
    output.append(literal)
    output.append("\"}\n\n")
  }

  /// A refusal is visible text; the finish reason tells it apart.
  func refusal(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    text(literal, to: &output)
  }

  func reasoning(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    output.append("event: reasoning\n")
    text(literal, to: &output)
  }

  func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8]) {
    output.append("event: tool_call\ndata: {\"index\":")
    output.append(decimal: fragment.index)
    fragment.writeID(requestID: requestID, in: data, to: &output)
    output.append(",")
    fragment.writeFunction(in: data, to: &output)
    output.append("}\n\n")
  }

  func ping(to output: inout [UInt8]) {
    output.append(": ping\n\n")
  }

  func done(_ completion: Completion, to output: inout [UInt8]) {
    output.append("event: done\nid: ")
    output.append(requestID)
    output.append(".end\ndata: {\"id\":")
    JSONEscaping.append(requestID, to: &output)
    output.append(",\"model\":")
    JSONEscaping.append(completion.model, to: &output)
    output.append(",\"finish_reason\":")
    JSONEscaping.append(completion.finishReason.name, to: &output)
    output.append(",\"usage\":")
    if let usage = completion.usage {
      output.append("{\"prompt_tokens\":")
      output.append(decimal: usage.promptTokens)
      output.append(",\"completion_tokens\":")
      output.append(decimal: usage.completionTokens)
      output.append(",\"total_tokens\":")
      output.append(decimal: usage.totalTokens)
      output.append("}")
    } else {
      output.append("null")
    }
    if let cost = completion.cost { output.append(",\"cost_usd\":\(Decimal.text(cost))") }
    output.append(",\"ttft_ms\":")
    if let firstToken = completion.firstToken { output.append(decimal: firstToken) } else { output.append("null") }
    output.append(",\"duration_ms\":")
    output.append(decimal: completion.duration)
    if completion.skipped > 0 { output.append(",\"skipped\":\(completion.skipped)") }
    output.append("}\n\n")
  }

  func error(_ failure: Failure, to output: inout [UInt8]) {
    output.append("event: error\nid: \(requestID).end\ndata: {\"type\":\"\(failure.kind.rawValue)\",\"message\":")
    JSONEscaping.append(failure.message, to: &output)
    output.append(",\"status\":\(failure.status),\"retryable\":\(failure.isRetryable)")
    if let seconds = failure.retryAfter { output.append(",\"retry_after\":\(seconds)") }
    output.append("}\n\n")
  }
}
