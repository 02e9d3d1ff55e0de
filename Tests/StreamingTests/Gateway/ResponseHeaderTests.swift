import Testing

@testable import Streaming

struct ResponseHeaderTests {
  private func written(_ header: ResponseHeader) -> String {
    var output: [UInt8] = []
    header.write(to: &output)
    return String(output)
  }

  @Test func `a head is its status, its fields in order, and an empty line`() {
    #expect(
      written(ResponseHeader(status: 204, [("Vary", "Origin"), ("Allow", "GET")]))
        == "Status: 204 No Content\r\nVary: Origin\r\nAllow: GET\r\n\r\n")
  }

  @Test(arguments: [200, 204, 400, 401, 403, 404, 405, 413, 415, 429, 500, 502, 503, 504])
  func `every status that we send has its name`(status: Int) {
    #expect(!HTTPStatus.reason(status).hasPrefix("Status"))
  }

  @Test func `a failure's head says what its body is, and is not to be stored`() {
    #expect(
      written(.problem(Failure(.upstreamFailed, "x")))
        == "Status: 502 Bad Gateway\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n\r\n")
  }

  @Test func `a failure's head tells when to come back, and which methods there are`() {
    #expect(written(.problem(Failure(.rateLimited, "x", retryAfter: 7))).contains("\r\nRetry-After: 7\r\n"))
    let notAllowed = Failure(.badRequest, status: 405, "x", allow: "GET, POST")
    #expect(written(.problem(notAllowed)).hasPrefix("Status: 405 Method Not Allowed\r\n"))
    #expect(written(.problem(notAllowed)).contains("\r\nAllow: GET, POST\r\n"))
  }
}
