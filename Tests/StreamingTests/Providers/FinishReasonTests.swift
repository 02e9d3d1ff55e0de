import Testing

@testable import Streaming

/// DESIGN section 3, "Endings".
struct FinishReasonTests {
  @Test(arguments: [
    ("stop", "stop"), ("end_turn", "stop"), ("stop_sequence", "stop"), ("STOP", "stop"), ("eos", "stop"),
    ("length", "length"), ("max_tokens", "length"), ("MAX_TOKENS", "length"),
    ("tool_calls", "tool_calls"), ("tool_use", "tool_calls"), ("function_call", "tool_calls"),
    ("content_filter", "content_filter"), ("refusal", "content_filter"), ("SAFETY", "content_filter"),
    ("RECITATION", "content_filter"), ("BLOCKLIST", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"),
    ("SPII", "content_filter"), ("Tired", "tired"), ("MALFORMED_FUNCTION_CALL", "malformed_function_call"),
  ])
  func `a provider's word becomes one of the four names, or passes in lower case`(word: String, name: String) {
    #expect(FinishReason(word)?.name == name)
  }

  @Test func `an unknown word stays a word, whatever is in it`() {
    #expect(FinishReason("ti red\n\u{1B}[31m\"é-_7")?.name == "tired31m-_7")
    #expect(FinishReason(String(repeating: "x", count: 10_000))?.name.utf8.count ?? .max <= 64)
  }

  @Test(arguments: ["", "null", "FINISH_REASON_UNSPECIFIED"])
  func `a word for not yet is no reason`(word: String) {
    #expect(FinishReason(word) == nil)
  }
}
