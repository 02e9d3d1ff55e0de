import Foundation
import Streaming

/// What a load asks for: so many streams at once, so many in all, each with the same prompt.
struct LoadPlan {
  var target: Target
  /// What the mock provider shall do: `n=100 rate=50 size=20`.
  var prompt: String
  /// As `POST` of an OpenAI request, which the provider understands; else as `GET` with the prompt in the query.
  var isPost = false
  /// Open at once.
  var streams = 1
  var total = 1
  /// Tokens of each stream; nil: not checked.
  var expectedTokens: Int?
  /// Streams opened a second until all are open; nil: all at once.
  var ramp: Double?
  /// The client leaves after so many tokens.
  var leaveAfter: Int?
  /// They wait with that until every one of them has its tokens, and leave at once.
  var leavesTogether = false
  /// The first of the clients, which read slowly; nothing of theirs is measured.
  var slow: SlowReaders?
  /// A connection is used again for the next stream.
  var keepsConnections = false
  var timeout = Duration.seconds(60)

  /// Clients that hardly read.
  struct SlowReaders {
    var count: Int
    /// That each of them reads; 0: nothing at all.
    var bytesPerSecond: Int
    /// Of the socket, so that little is held by the kernel.
    var receiveBufferBytes: Int
    /// Theirs; nil: as the others'.
    var prompt: String?
  }

  /// The request as it is sent.
  func request(prompt: String) -> [UInt8] {
    let connection = keepsConnections ? "keep-alive" : "close"
    let head = "Host: localhost\r\nAccept: text/event-stream\r\nConnection: \(connection)\r\n"
    guard isPost else { return Array("GET \(target.path)\(query(prompt)) HTTP/1.1\r\n\(head)\r\n".utf8) }
    var body = JSONBuilder()
    body.object {
      $0.string("model", "mock")
      $0.raw("stream", "true".utf8)
      $0.name("messages")
      $0.array { list in
        list.object {
          $0.string("role", "user")
          $0.string("content", prompt)
        }
      }
    }
    let fields = "Content-Type: application/json\r\nContent-Length: \(body.bytes.count)\r\n"
    return Array("POST \(target.path) HTTP/1.1\r\n\(head)\(fields)\r\n".utf8) + body.bytes
  }

  private func query(_ prompt: String) -> String {
    guard !prompt.isEmpty else { return "" }
    let escaped = prompt.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    return (target.path.contains("?") ? "&" : "?") + "prompt=" + escaped
  }
}
