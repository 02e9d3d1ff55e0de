import Testing

@testable import Streaming

struct ProviderFailureTests {
  private func failure(_ body: String, status: Int? = nil) -> ProviderFailure {
    let bytes = body.bytes
    return ProviderFailure(status: status, body: bytes.span)
  }

  @Test(arguments: [
    #"{"error":{"message":"No such model.","type":"invalid_request_error","param":null,"code":null}}"#,
    #"{"type":"error","error":{"details":null,"type":"not_found_error","message":"No such model."},"request_id":"r"}"#,
    "{\n  \"error\": {\n    \"code\": 404,\n    \"message\": \"No such model.\",\n    \"status\": \"NOT_FOUND\"\n  }\n}",
    #"[{"error":{"code":404,"message":"No such model.","status":"NOT_FOUND"}}]"#,
    #"{"id":"i","message":"No such model."}"#,
    #"{"detail":"No such model."}"#,
    #"{"code":"not-found","error":"No such model."}"#,
    #"{"object":"error","message":"No such model.","type":"NotFoundError","code":404}"#,
    #"{"detail":{"message":"No such model."}}"#,
    #"{"detail":[{"type":"missing","loc":["body","model"],"msg":"No such model."}]}"#,
    #"{"error":{"message":"No such model.","code":404,"metadata":{"raw":{"error":{"message":"inner"}}}},"user_id":"u"}"#,
    #"{"error":{"code":"NotFound","message":"No such model.","details":"No such model, as was said."}}"#,
    "No such model.\n",
  ])
  func `whatever the body's shape, its message is found`(body: String) {
    #expect(failure(body, status: 404).message == "No such model.")
    #expect(failure(body, status: 404).status == 404)
  }

  @Test(arguments: [
    "", " \n", "<html><body>502 Bad Gateway</body></html>", "null", "5", "{}", #"{"error":null}"#,
    #"{"error":{"message":"#,
    String(repeating: "long ", count: 200),
  ])
  func `a body without a message, a page among them, says nothing`(body: String) {
    #expect(failure(body, status: 502) == ProviderFailure(status: 502))
  }

  @Test func `bytes that no person can read are no message`() {
    for bytes in [[0x1F, 0x8B, 0x08, 0x00, 0x61], [0x61, 0xFF], [0x61, 0x07]] as [[UInt8]] {
      #expect(ProviderFailure(status: 500, body: bytes.span).message.isEmpty)
    }
  }

  @Test func `the status line counts more than what the body says`() {
    #expect(failure(#"{"error":{"code":500,"type":"rate_limit_error"}}"#, status: 400).status == 400)
  }

  @Test(arguments: [
    #"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
    #"{"code":"invalid-argument","error":"Incorrect API key provided. You can obtain one."}"#,
  ])
  func `but where the body says that the key is wrong, it is the key`(body: String) {
    #expect(failure(body, status: 400).status == 401)
  }

  @Test(
    arguments: [
      ("invalid_request_error", 400), ("INVALID_ARGUMENT", 400), ("context_length_exceeded", 400),
      ("authentication_error", 401), ("UNAUTHENTICATED", 401), ("invalid_api_key", 401), ("billing_error", 402),
      ("permission_error", 403), ("PERMISSION_DENIED", 403), ("not_found_error", 404), ("NOT_FOUND", 404),
      ("request_too_large", 413), ("rate_limit_error", 429), ("rate_limit_exceeded", 429), ("RESOURCE_EXHAUSTED", 429),
      ("insufficient_quota", 429), ("overloaded_error", 503), ("UNAVAILABLE", 503), ("DEADLINE_EXCEEDED", 504),
      ("api_error", 500), ("server_error", 500),
      ("INTERNAL", 500), ("odd_error", nil), ("", nil),
    ] as [(String, Int?)])
  func `a name inside a 200 stands for a status, under whichever member`(name: String, status: Int?) {
    for member in ["type", "code", "status"] {
      #expect(failure(#"{"error":{"message":"x","\#(member)":"\#(name)"}}"#).status == status)
    }
  }

  @Test(arguments: [
    #""code":429"#, #""code":"429""#, #""status":429"#, #""status_code":429"#, #""type":"x","code":429"#,
  ])
  func `a number inside a 200 is the status`(member: String) {
    #expect(failure(#"{"error":{\#(member),"message":"x"}}"#).status == 429)
  }

  @Test(arguments: ["7", "200", "399", "600", "-429", "429.5", "null", "[429]", "1e99"])
  func `a number that is no failure's status is none`(number: String) {
    #expect(failure(#"{"error":{"message":"x","code":\#(number)}}"#).status == nil)
  }

  @Test(arguments: [
    (#""type":"invalid_request_error","code":"invalid_api_key""#, 401),
    (#""code":"invalid_api_key","type":"invalid_request_error""#, 401),
    (#""type":"invalid_request_error","code":"rate_limit_exceeded""#, 429),
    (#""code":400,"status":"INVALID_ARGUMENT""#, 400), (#""code":503,"type":"x""#, 503),
    (#""type":"rate_limit_error","code":503"#, 503), (#""code":503,"type":"rate_limit_error""#, 503),
  ])
  func `of several names the exact one counts, and a number more than a name`(members: String, status: Int) {
    #expect(failure(#"{"error":{"message":"x",\#(members)}}"#).status == status)
  }

  @Test func `money that is used up is known, as a try later fails as well`() {
    #expect(failure(#"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#, status: 429).isQuota)
    #expect(failure(#"{"error":{"type":"x","code":"insufficient_quota"}}"#, status: 429).isQuota)
    #expect(!failure(#"{"error":{"type":"tokens","code":"rate_limit_exceeded"}}"#, status: 429).isQuota)
  }

  @Test func `a retry time in the body is found among the details`() {
    let details = #"[{"@type":"Help","links":[{"url":"u"}]},{"@type":"RetryInfo","retryDelay":"48.9s"}]"#
    #expect(failure(#"{"error":{"code":429,"message":"x","details":\#(details)}}"#, status: 429).retryAfter == 48.9)
    #expect(failure(#"{"error":{"details":[{"retryDelay":5}]}}"#, status: 429).retryAfter == nil)
  }

  @Test func `lists nested without end do not use up the stack`() {
    #expect(failure(String(repeating: "[", count: 500_000), status: 500).status == 500)
    #expect(failure(String(repeating: #"{"error":"#, count: 100_000), status: 500).status == 500)
  }
}
