import Foundation
import Testing

@testable import StreamBench

struct LoadPlanTests {
  private func request(_ path: String, _ prompt: String, isPost: Bool = false) -> String {
    var plan = LoadPlan(target: Target(port: 80, path: path), prompt: prompt)
    plan.isPost = isPost
    return String(decoding: plan.request(prompt: prompt), as: UTF8.self)
  }

  @Test func `a prompt in the query is escaped, behind what the URL has already`() {
    #expect(request("/stream", "n=1 size=2&x").hasPrefix("GET /stream?prompt=n%3D1%20size%3D2%26x HTTP/1.1\r\n"))
    #expect(request("/stream?a=b", "é").hasPrefix("GET /stream?a=b&prompt=%C3%A9 HTTP/1.1\r\n"))
    #expect(request("/stream", "").hasPrefix("GET /stream HTTP/1.1\r\n"))
  }

  @Test func `a prompt in a body is an OpenAI request of the length that is told`() throws {
    let parts = request("/v1/chat/completions", "say \"a\"", isPost: true).components(separatedBy: "\r\n\r\n")
    #expect(parts.count == 2 && parts[0].contains("Content-Length: \(parts[1].utf8.count)"))
    let body = try #require(try JSONSerialization.jsonObject(with: Data(parts[1].utf8)) as? [String: Any])
    #expect(body["stream"] as? Bool == true)
    #expect((body["messages"] as? [[String: String]])?.first?["content"] == "say \"a\"")
  }
}
