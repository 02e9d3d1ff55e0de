import Testing

@testable import Streaming

struct RequestTests {
  @Test func `the path is PATH_INFO, else SCRIPT_NAME, else DOCUMENT_URI`() {
    let all: Params = ["DOCUMENT_URI": "/d", "SCRIPT_NAME": "/s", "PATH_INFO": "/p"]
    #expect(Request(params: all).path == "/p")
    #expect(Request(params: ["DOCUMENT_URI": "/d", "SCRIPT_NAME": "/s", "PATH_INFO": ""]).path == "/s")
    #expect(Request(params: ["DOCUMENT_URI": "/d"]).path == "/d")
    #expect(Request(params: [:]).path == "/")
  }

  @Test func `a request without a method is a GET`() {
    #expect(Request(params: [:]).method == "GET")
    #expect(Request(params: ["REQUEST_METHOD": "POST"]).method == "POST")
  }
}
