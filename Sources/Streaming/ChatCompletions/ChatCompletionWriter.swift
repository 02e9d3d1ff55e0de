/// Collects an answer, and writes it in one piece: OpenAI's `chat.completion` object
/// (https://platform.openai.com/docs/api-reference/chat/object).
struct ChatCompletionWriter: AnswerWriter {
  /// One tool call; what it is made of are literals.
  private struct Call {
    /// `"id":"…","type":"function"`, and `extra_content` where there is any.
    var head: [UInt8] = []
    var name: [UInt8] = []
    var arguments: [UInt8] = []
  }

  private let identity: ChatIdentity
  private var content: [UInt8] = []
  private var refused: [UInt8] = []
  private var thoughts: [UInt8] = []
  private var calls: [Call] = []
  private(set) var collectedBytes = 0

  init(requestID: String, time: Int) {
    identity = ChatIdentity(requestID: requestID, time: time)
  }

  var header: ResponseHeader {
    ResponseHeader(status: 200, [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
  }
  var failureForm: FailureForm { .openAI }

  func begin(model: String) {}

  mutating func text(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    content.append(literal)
    collectedBytes += literal.count
  }

  mutating func refusal(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    refused.append(literal)
    collectedBytes += literal.count
  }

  mutating func reasoning(_ literal: Span<UInt8>, to output: inout [UInt8]) {
    thoughts.append(literal)
    collectedBytes += literal.count
  }

  mutating func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8]) {
    if fragment.isFirst {
      var call = Call()
      call.head.append("\"type\":\"function\"")
      fragment.writeID(requestID: identity.requestID, in: data, to: &call.head)
      fragment.writeExtra(in: data, to: &call.head)
      calls.append(call)
      collectedBytes += call.head.count
    }
    // A call's first fragment always comes first, and calls are counted from 0.
    let before = calls[fragment.index].name.count + calls[fragment.index].arguments.count
    if let name = fragment.name { calls[fragment.index].name.append(data.extracting(name.range)) }
    fragment.writeArgumentsText(in: data, to: &calls[fragment.index].arguments)
    collectedBytes += calls[fragment.index].name.count + calls[fragment.index].arguments.count - before
  }

  func ping(to output: inout [UInt8]) {}

  mutating func done(_ completion: Completion, to output: inout [UInt8]) {
    output.append("{")
    identity.write(object: "chat.completion", model: completion.model, to: &output)
    output.append(",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"")
    member("content", content, isNull: content.isEmpty && !(refused.isEmpty && calls.isEmpty), to: &output)
    member("refusal", refused, isNull: refused.isEmpty, to: &output)
    if !thoughts.isEmpty { member("reasoning_content", thoughts, isNull: false, to: &output) }
    if !calls.isEmpty { writeCalls(to: &output) }
    output.append("},\"logprobs\":null,\"finish_reason\":")
    JSONEscaping.append(completion.finishReason.name, to: &output)
    output.append("}]")
    if let usage = completion.usage {
      output.append(",\"usage\":")
      ChatIdentity.write(usage, to: &output)
    }
    output.append("}\n")
    // It waits in the buffer from here on; twice is too often.
    (content, refused, thoughts, calls) = ([], [], [], [])
  }

  /// Nothing has gone out before the end, so a failure has a status line of its own.
  func error(_ failure: Failure, to output: inout [UInt8]) {}

  private func member(_ name: StaticString, _ literal: [UInt8], isNull: Bool, to output: inout [UInt8]) {
    output.append(",\"")
    output.append(name)
    output.append(isNull ? "\":null" : "\":\"")
    guard !isNull else { return }
    output.append(literal.span)
    output.append("\"")
  }

  private func writeCalls(to output: inout [UInt8]) {
    output.append(",\"tool_calls\":[")
    for (index, call) in calls.enumerated() {
      output.append(index == 0 ? "{" : ",{")
      output.append(call.head.span)
      output.append(",\"function\":{\"name\":\"")
      output.append(call.name.span)
      output.append("\",\"arguments\":\"")
      output.append(call.arguments.span)
      output.append("\"}}")
    }
    output.append("]")
  }
}
