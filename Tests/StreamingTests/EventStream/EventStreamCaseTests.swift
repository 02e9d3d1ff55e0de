import Foundation
import Testing

@testable import Streaming

/// The cases of web-platform-tests, LaunchDarkly and eventsource-parser, as they were collected beside this package.
@Suite(.enabled(if: Recordings.arePresent, "the recorded streams are not here; see Support/Recordings.swift"))
struct EventStreamCaseTests {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    struct Event: Decodable, Equatable {
      var event: String
      var data: String
      var id: String
    }
    var name: String
    var input: String
    /// Where the input is no text, in base64.
    var inputBytes: String?
    /// Where the cuts matter, in base64.
    var chunks: [String]?
    var expected: [Event]

    enum CodingKeys: String, CodingKey {
      case name, input, expected
      case inputBytes = "input_base64"
      case chunks = "chunks_base64"
    }

    var bytes: [UInt8] { inputBytes.map(Self.decoded) ?? input.bytes }
    var testDescription: String { name }

    static func decoded(_ base64: String) -> [UInt8] { Array(Data(base64Encoded: base64) ?? Data()) }
  }

  static let cases: [Case] = {
    guard let bytes = try? Recordings.contents("event-stream-cases.json") else { return [] }
    return (try? JSONDecoder().decode([Case].self, from: Data(bytes))) ?? []
  }()

  @Test func `the file holds cases`() {
    #expect(Self.cases.count > 40)
  }

  @Test(arguments: cases)
  func `a case holds in every chunking`(example: Case) throws {
    for chunks in Chunkings.of(example.bytes) { #expect(try events(of: chunks) == example.expected) }
  }

  @Test(arguments: cases.filter { $0.chunks != nil })
  func `a case holds in its own chunks`(example: Case) throws {
    let chunks = try #require(example.chunks).map(Case.decoded)
    #expect(try events(of: chunks) == example.expected)
  }

  private func events(of chunks: [[UInt8]]) throws -> [Case.Event] {
    try ReadItem.read(chunks).compactMap { item in
      guard case .event(let data, let name, let id) = item else { return nil }
      return Case.Event(event: name.isEmpty ? "message" : name, data: data, id: id)
    }
  }
}
