import NIOCore

/// Writes what OpenAI's wire says: the chunks of a stream, each an event, and the whole answer.
struct ChunkWriter {
  struct Usage: Equatable {
    var promptTokens: Int
    var completionTokens: Int
    var reasoningTokens: Int
  }

  private let id: String
  private let identity: String
  /// Up to the delta: the same for each chunk of a stream.
  private let opening: ByteBuffer

  init(id: String, model: String) {
    // The time never changes, so that the same prompt gives the same bytes.
    identity = "\"created\":1767225600,\"model\":\(JSONText.quoted(model)),\"system_fingerprint\":\"fp_44709d6fcb\""
    self.id = JSONText.quoted(id)
    opening = ByteBuffer(
      string: "data: {\"id\":\(self.id),\"object\":\"chat.completion.chunk\",\(identity),"
        + "\"choices\":[{\"index\":0,\"delta\":{")
  }

  func role(to output: inout ByteBuffer) {
    delta("\"role\":\"assistant\",\"content\":\"\"", to: &output)
  }

  /// One token. `time` is CLOCK_MONOTONIC in nanoseconds; with `lineBytes` the line is padded to so many.
  func token(
    _ token: Generation.Token, at time: UInt64, sizeBytes: Int, lineBytes: Int = 0, to output: inout ByteBuffer
  ) {
    let start = output.writerIndex
    output.writeImmutableBuffer(opening)
    switch token {
    case .reasoning(let text):
      output.writeString("\"reasoning_content\":\(JSONText.quoted(text))")
    case .stamp(let number):
      output.writeStaticString("\"content\":\"")
      Self.stamp(number, at: time, sizeBytes: sizeBytes, to: &output)
      output.writeStaticString("\"")
    case .text(let text):
      output.writeString("\"content\":\(JSONText.quoted(text))")
    case .toolCall(let index, .opening(let id, let name)):
      output.writeString("\"tool_calls\":[{\"index\":\(index),\"id\":\"\(id)\",\"type\":\"function\",")
      output.writeString("\"function\":{\"name\":\"\(name)\",\"arguments\":\"\"}}]")
    case .toolCall(let index, .arguments(let text)):
      output.writeString("\"tool_calls\":[{\"index\":\(index),\"function\":{\"arguments\":\(JSONText.quoted(text))}}]")
    }
    output.writeStaticString("},\"logprobs\":null,\"finish_reason\":null}]")
    let padding = lineBytes - (output.writerIndex - start + 1)
    if padding > 0 { output.writeRepeatingByte(UInt8(ascii: " "), count: padding) }
    output.writeStaticString("}\n\n")
  }

  /// The finish reason, the usage where it was asked for, and `[DONE]`.
  func ending(reason: String, usage: Usage?, to output: inout ByteBuffer) {
    output.writeImmutableBuffer(opening)
    output.writeString("},\"logprobs\":null,\"finish_reason\":\(JSONText.quoted(reason))}]}\n\n")
    if let usage {
      output.writeString("data: {\"id\":\(id),\"object\":\"chat.completion.chunk\",\(identity),\"choices\":[],")
      output.writeString("\(Self.member(usage))}\n\n")
    }
    output.writeStaticString("data: [DONE]\n\n")
  }

  func error(_ error: ErrorBody, to output: inout ByteBuffer) {
    output.writeString("data: \(error.json)\n\n")
  }

  /// The answer to a request that wants no stream.
  func completion(
    of generation: Generation, at time: UInt64, sizeBytes: Int, reason: String, usage: Usage,
    to output: inout ByteBuffer
  ) {
    output.writeString("{\"id\":\(id),\"object\":\"chat.completion\",\(identity),")
    output.writeStaticString("\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":")
    let contentEnd = generation.reasoningCount + generation.contentCount
    if generation.contentCount > 0 {
      output.writeStaticString("\"")
      for index in generation.reasoningCount..<contentEnd {
        switch generation.token(index) {
        case .stamp(let number): Self.stamp(number, at: time, sizeBytes: sizeBytes, to: &output)
        case .text(let text): output.writeString(JSONText.escaped(text))
        case .reasoning, .toolCall: break
        }
      }
      output.writeStaticString("\"")
    } else {
      output.writeStaticString("null")
    }
    var reasoning = ""
    for case .reasoning(let text) in (0..<generation.reasoningCount).lazy.map(generation.token) { reasoning += text }
    if !reasoning.isEmpty { output.writeString(",\"reasoning_content\":\(JSONText.quoted(reasoning))") }
    if generation.toolCount > 0 { output.writeString(",\"tool_calls\":[\(Self.calls(of: generation))]") }
    output.writeString("},\"logprobs\":null,\"finish_reason\":\(JSONText.quoted(reason))}],\(Self.member(usage))}")
  }

  private func delta(_ members: String, to output: inout ByteBuffer) {
    output.writeImmutableBuffer(opening)
    output.writeString(members)
    output.writeStaticString("},\"logprobs\":null,\"finish_reason\":null}]}\n\n")
  }

  /// Load clients read order and delay off this text.
  private static func stamp(_ number: Int, at time: UInt64, sizeBytes: Int, to output: inout ByteBuffer) {
    let start = output.writerIndex
    output.writeString(String(number))
    output.writeStaticString(":")
    output.writeString(String(time))
    let padding = sizeBytes - 1 - (output.writerIndex - start)
    if padding > 0 { output.writeRepeatingByte(UInt8(ascii: "x"), count: padding) }
    output.writeStaticString(" ")
  }

  private static func calls(of generation: Generation) -> String {
    let first = generation.reasoningCount + generation.contentCount
    return (0..<generation.toolCount).map { call in
      var (head, arguments) = ("", "")
      for fragment in 0..<Generation.fragmentsPerCall {
        switch generation.token(first + call * Generation.fragmentsPerCall + fragment) {
        case .toolCall(_, .opening(let id, let name)):
          head = "{\"id\":\"\(id)\",\"type\":\"function\",\"function\":{\"name\":\"\(name)\",\"arguments\":"
        case .toolCall(_, .arguments(let text)): arguments += text
        case .reasoning, .stamp, .text: break
        }
      }
      return head + JSONText.quoted(arguments) + "}}"
    }.joined(separator: ",")
  }

  private static func member(_ usage: Usage) -> String {
    let details =
      usage.reasoningTokens > 0
      ? ",\"completion_tokens_details\":{\"reasoning_tokens\":\(usage.reasoningTokens)}" : ""
    return "\"usage\":{\"prompt_tokens\":\(usage.promptTokens),\"completion_tokens\":\(usage.completionTokens),"
      + "\"total_tokens\":\(usage.promptTokens + usage.completionTokens)\(details)}"
  }
}
