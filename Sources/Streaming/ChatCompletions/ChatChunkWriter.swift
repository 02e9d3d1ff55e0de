/// Writes an answer as OpenAI streams it: `chat.completion.chunk` objects, and `[DONE]` after a whole answer
/// (https://platform.openai.com/docs/api-reference/chat-streaming).
struct ChatChunkWriter: AnswerWriter {
  private let identity: ChatIdentity
  private let includesUsage: Bool
  /// What every chunk begins with, up to the members of its first choice's `delta`.
  private var opening: [UInt8] = []
  private var isFirst = true

  init(requestID: String, time: Int, includesUsage: Bool) {
    identity = ChatIdentity(requestID: requestID, time: time)
    self.includesUsage = includesUsage
  }

  var header: ResponseHeader { .eventStream }
  var failureForm: FailureForm { .openAI }
  var collectedBytes: Int { 0 }

  mutating func begin(model: String) {
    opening = []
    opening.append("data: {")
    identity.write(object: "chat.completion.chunk", model: model, to: &opening)
    // Where usage was asked for, OpenAI has it in every chunk, and null in all but the last.
    if includesUsage { opening.append(",\"usage\":null") }
    opening.append(",\"choices\":[")
  }

  mutating func text(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    delta("\"content\":\"", literal, to: &output)
  }

  mutating func refusal(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    delta("\"refusal\":\"", literal, to: &output)
  }

  /// DeepSeek's name for it, which is the one that clients look for.
  mutating func reasoning(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    delta("\"reasoning_content\":\"", literal, to: &output)
  }

  mutating func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8]) {
    openDelta(to: &output)
    output.append("\"tool_calls\":[{\"index\":")
    output.append(decimal: fragment.index)
    fragment.writeID(requestID: identity.requestID, in: data, to: &output)
    if fragment.isFirst { output.append(",\"type\":\"function\"") }
    fragment.writeExtra(in: data, to: &output)
    output.append(",\"function\":{")
    fragment.writeFunction(in: data, to: &output)
    output.append("}}]},\"finish_reason\":null}]}\n\n")
  }

  func ping(to output: inout [UInt8]) {
    output.append(": ping\n\n")
  }

  mutating func done(_ completion: Completion, to output: inout [UInt8]) {
    let isEmpty = isFirst
    openDelta(to: &output)
    if isEmpty { output.append("\"content\":\"\"") }
    output.append("},\"finish_reason\":")
    JSONEscaping.append(completion.finishReason.name, to: &output)
    output.append("}]}\n\n")
    if includesUsage, let usage = completion.usage {
      output.append("data: {")
      identity.write(object: "chat.completion.chunk", model: completion.model, to: &output)
      output.append(",\"choices\":[],\"usage\":")
      ChatIdentity.write(usage, to: &output)
      output.append("}\n\n")
    }
    output.append("data: [DONE]\n\n")
  }

  func error(_ failure: Failure, to output: inout [UInt8]) {
    output.append("data: ")
    FailureForm.appendError(failure, to: &output)
    output.append("\n\n")
  }

  private mutating func delta(_ member: StaticString, _ literal: Span<UInt8>, to output: inout [UInt8]) {
    openDelta(to: &output)
    output.append(member)
    output.append(literal)
    output.append("\"},\"finish_reason\":null}]}\n\n")
  }

  private mutating func openDelta(to output: inout [UInt8]) {
    output.append(opening.span)
    output.append("{\"index\":0,\"delta\":{")
    guard isFirst else { return }
    isFirst = false
    output.append("\"role\":\"assistant\",")
  }
}
