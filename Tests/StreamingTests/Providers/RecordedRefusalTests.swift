import Foundation
import Testing

@testable import Streaming

/// The recorded replies that were no 200: status line, headers and body.
@Suite(.enabled(if: Recordings.arePresent, "the recorded streams are not here; see Support/Recordings.swift"))
struct RecordedRefusalTests {
  static let names: [String] = {
    guard let folder = Recordings.file("errors") else { return [] }
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".http") }.sorted()
  }()

  @Test func `there are recordings`() {
    #expect(Self.names.count > 20)
  }

  @Test(arguments: names)
  func `a recorded refusal is told with its message, status and retry time`(name: String) throws {
    let reply = String(try Recordings.contents("errors/\(name)")).replacing("\r\n", with: "\n")
    let parts = try #require(reply.firstRange(of: "\n\n"))
    let lines = reply[..<parts.lowerBound].split(separator: "\n")
    let body = String(reply[parts.upperBound...])
    var head = ResponseHead()
    for line in lines {
      let bytes = String(line).bytes
      head.consume(line: bytes.span, wallClock: 0)
    }
    var generation = Generation()
    generation.lifecycle.receive(head: head)
    generation.send(body)
    generation.end()

    let failure = try #require(generation.failure)
    let statuses = [401: 502, 402: 502, 403: 502, 400: 400, 404: 400, 413: 400, 422: 400, 429: 429, 503: 503, 529: 503]
    // Some say of a key with a 400 that it is wrong.
    let refusesKey = reply.contains("API_KEY_INVALID") || reply.contains("Incorrect API key")
    #expect(failure.status == (refusesKey ? 502 : statuses[head.status] ?? 502))
    if failure.status == 400 || failure.status == 429 {
      let message = try #require(Self.message(try foundationObject(body.bytes)))
      #expect(failure.message.contains(message.prefix(100)))
    }
    let hasRetryTime = reply.contains(/(?i)\nretry-after|\nx-ratelimit-reset:|retryDelay/)
    #expect((failure.retryAfter != nil) == hasRetryTime)
  }

  private static func message(_ body: [String: Any]) -> String? {
    if let text = body["error"] as? String { return text }
    let error = body["error"] as? [String: Any] ?? body
    return error["message"] as? String ?? error["detail"] as? String
  }
}
