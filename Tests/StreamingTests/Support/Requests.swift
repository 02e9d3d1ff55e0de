import Foundation

@testable import Streaming

extension ProviderRequest.Options {
  static let plain = ProviderRequest.Options(asksForUsage: true, maxTokensField: "max_tokens", maxTokens: 4096)
}

/// Messages that use all that a wire must be told.
enum SampleMessages {
  static let all = #"""
    {"role":"system","content":"Be kind"},
    {"role":"user","content":[{"type":"text","text":"What \"is\" this?"},
      {"type":"image_url","image_url":{"url":"https://example.org/a.png"}},
      {"type":"image_url","image_url":{"url":"data:image/png;base64,aGk="}}]},
    {"role":"assistant","content":"Let me see","tool_calls":[{"id":"t1","type":"function",
      "function":{"name":"f","arguments":"{\"a\": [1]}"}}]},
    {"role":"tool","tool_call_id":"t1","content":"42\n"},
    {"role":"user","content":"And?"}
    """#
}

/// A body, comparable with another.
func foundationDictionary(_ bytes: [UInt8]) throws -> NSDictionary {
  try foundationObject(bytes) as NSDictionary
}
