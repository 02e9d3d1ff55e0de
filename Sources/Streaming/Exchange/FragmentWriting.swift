// How the forms of an answer write a fragment: the members that they have in common.
extension ToolCallFragment {
  /// `,"id":"…"`, made up where the provider gives a call none.
  func writeID(requestID: String, in data: Span<UInt8>, to output: inout [UInt8]) {
    if let id {
      output.append(",\"id\":\"")
      output.append(data.extracting(id.range))
      output.append("\"")
    } else if isFirst {
      output.append(",\"id\":")
      JSONEscaping.append("call_\(requestID)_\(index)", to: &output)
    }
  }

  /// `"name":"…","arguments":"…"`, without the name where this fragment has none.
  func writeFunction(in data: Span<UInt8>, to output: inout [UInt8]) {
    if let name {
      output.append("\"name\":\"")
      output.append(data.extracting(name.range))
      output.append("\",")
    }
    output.append("\"arguments\":\"")
    writeArgumentsText(in: data, to: &output)
    output.append("\"")
  }

  /// What stands between the quotes.
  func writeArgumentsText(in data: Span<UInt8>, to output: inout [UInt8]) {
    switch arguments {
    case .literal(let literal)?: output.append(data.extracting(literal.range))
    case .json(let range)?: JSONEscaping.appendInside(data.extracting(range), to: &output)
    case nil: break
    }
  }

  /// `,"extra_content":{…}` where there is any (https://ai.google.dev/gemini-api/docs/thought-signatures).
  func writeExtra(in data: Span<UInt8>, to output: inout [UInt8]) {
    switch extra {
    case .content(let range)?:
      output.append(",\"extra_content\":")
      // A line break can stand between its members, and would end the line that it is written into.
      for index in range where data[index] >= 0x20 { output.append(data[index]) }
    case .thoughtSignature(let signature)?:
      output.append(",\"extra_content\":{\"google\":{\"thought_signature\":\"")
      output.append(data.extracting(signature.range))
      output.append("\"}}")
    case nil: break
    }
  }
}
