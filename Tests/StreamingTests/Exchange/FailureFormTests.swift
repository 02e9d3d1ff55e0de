import Testing

@testable import Streaming

struct FailureFormTests {
  private func head(_ form: FailureForm, _ failure: Failure) -> String {
    var output: [UInt8] = []
    form.header(failure).write(to: &output)
    return String(output)
  }

  private let message = "a \"quoted\" \\ word,\na line\u{0}, é😀"

  @Test(arguments: [
    ("/stream", FailureForm.problem), ("/v1/chat/completions", .openAI), ("/v1/odd", .openAI), ("/v1", .problem),
  ])
  func `a path decides the form`(path: String, form: FailureForm) {
    #expect(FailureForm(path: path) == form)
  }

  @Test func `a failure's head says what its body is, and is not to be stored`() {
    #expect(
      head(.problem, Failure(.upstreamFailed, "x"))
        == "Status: 502 Bad Gateway\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n\r\n")
    #expect(
      head(.openAI, Failure(.upstreamFailed, "x"))
        == "Status: 502 Bad Gateway\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\r\n")
  }

  @Test(arguments: [FailureForm.problem, .openAI])
  func `a failure's head tells when to come back, and which methods there are`(form: FailureForm) {
    #expect(head(form, Failure(.rateLimited, "x", retryAfter: 7)).contains("\r\nRetry-After: 7\r\n"))
    let notAllowed = Failure(.badRequest, status: 405, "x", allow: "GET, POST")
    #expect(head(form, notAllowed).hasPrefix("Status: 405 Method Not Allowed\r\n"))
    #expect(head(form, notAllowed).contains("\r\nAllow: GET, POST\r\n"))
  }

  @Test func `OpenAI's libraries are told not to try again what would fail again`() {
    #expect(head(.openAI, Failure(.upstreamRejected, "x")).contains("\r\nx-should-retry: false\r\n"))
    #expect(!head(.openAI, Failure(.overloaded, "x")).contains("x-should-retry"))
    #expect(!head(.problem, Failure(.upstreamRejected, "x")).contains("x-should-retry"))
  }

  @Test func `a problem is RFC 9457's, whatever the message holds`() throws {
    let problem = try foundationObject(FailureForm.problem.body(Failure(.badRequest, status: 413, message)))
    #expect((problem["type"] as? String)?.hasSuffix("bad_request") == true)
    #expect(problem["title"] as? String == "Content Too Large")
    #expect(problem["status"] as? Int == 413)
    #expect(problem["detail"] as? String == message)
    #expect(problem["retryable"] as? Bool == false)
  }

  @Test(arguments: [
    (Failure.Kind.badRequest, "invalid_request_error"), (.unauthorized, "authentication_error"),
    (.rateLimited, "rate_limit_error"), (.upstreamTruncated, "server_error"), (.overloaded, "server_error"),
  ])
  func `OpenAI's error has its own type, and ours as its code`(kind: Failure.Kind, type: String) throws {
    let body = try foundationObject(FailureForm.openAI.body(Failure(kind, message)))
    let error = try #require(body["error"] as? [String: Any])
    #expect(error["message"] as? String == message)
    #expect(error["type"] as? String == type)
    #expect(error["code"] as? String == kind.rawValue)
  }

  @Test func `the limit that was reached is named in either form`() {
    var failure = Failure(.rateLimited, "enough", retryAfter: 9)
    failure.limit = .keyTokens
    let problem = String(decoding: FailureForm.problem.body(failure), as: UTF8.self)
    #expect(problem.hasSuffix(#""detail":"enough","retryable":true,"limit":"key_tokens"}"# + "\n"))
    let openAI = String(decoding: FailureForm.openAI.body(failure), as: UTF8.self)
    #expect(openAI.hasSuffix(#""code":"rate_limited","limit":"key_tokens"}}"# + "\n"))
  }

  @Test(arguments: [FailureForm.problem, .openAI])
  func `who has no key is told how to send one`(form: FailureForm) {
    let header = form.header(Failure(.unauthorized, "a key is needed"))
    #expect(header.status == 401)
    #expect(header.fields.contains { $0 == ("WWW-Authenticate", "Bearer") })
    #expect(!form.header(Failure(.upstreamRejected, "x")).fields.contains { $0.name == "WWW-Authenticate" })
  }
}
