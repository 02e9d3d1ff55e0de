/// The members that each of OpenAI's objects of one answer begins with.
struct ChatIdentity {
  let requestID: String
  /// Seconds since 1970.
  let time: Int

  /// Without the brace that opens the object.
  func write(object: StaticString, model: String, to output: inout [UInt8]) {
    output.append("\"id\":")
    JSONEscaping.append("chatcmpl-\(requestID)", to: &output)
    output.append(",\"object\":\"")
    output.append(object)
    output.append("\",\"created\":\(time),\"model\":")
    JSONEscaping.append(model, to: &output)
  }

  /// The `usage` object.
  static func write(_ usage: Usage, to output: inout [UInt8]) {
    output.append("{\"prompt_tokens\":\(usage.promptTokens),\"completion_tokens\":\(usage.completionTokens)")
    output.append(",\"total_tokens\":\(usage.totalTokens)")
    if usage.cachedTokens > 0 {
      output.append(",\"prompt_tokens_details\":{\"cached_tokens\":\(usage.cachedTokens)}")
    }
    output.append("}")
  }
}
