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
}
