import NIOCore
import NIOHTTP1
import Synchronization

/// What was asked and answered since the start; shared by all loops.
final class Statistics: Sendable {
  /// Chat requests.
  private let requests = Atomic(0)
  /// Those that were answered to the end of their script; a `drop` or a `cut` is neither finished nor aborted.
  private let finished = Atomic(0)
  /// Those whose client left before the end, which is `[DONE]` for a stream that lingers.
  private let aborted = Atomic(0)
  private let tokens = Atomic(0)
  /// Chat requests that are being answered.
  private let open = Atomic(0)
  private let connections = Atomic(0)
  private let last = Mutex<LastRequest?>(nil)

  private struct LastRequest {
    var head: HTTPRequestHead
    /// JSON, as it came.
    var body: ByteBuffer?
  }

  enum Outcome { case finished, aborted, brokenOff }

  /// The number of the request, from 1.
  func requestBegins() -> Int {
    open.add(1, ordering: .relaxed)
    return requests.add(1, ordering: .relaxed).newValue
  }

  func requestIsDecided(_ outcome: Outcome) {
    switch outcome {
    case .finished: finished.add(1, ordering: .relaxed)
    case .aborted: aborted.add(1, ordering: .relaxed)
    case .brokenOff: break
    }
  }

  func requestEnds() {
    open.subtract(1, ordering: .relaxed)
  }

  func tokensSent(_ count: Int) {
    tokens.add(count, ordering: .relaxed)
  }

  func connectionOpens() {
    connections.add(1, ordering: .relaxed)
  }

  func connectionCloses() {
    connections.subtract(1, ordering: .relaxed)
  }

  /// `body` is nil where it was no JSON.
  func record(_ head: HTTPRequestHead, body: ByteBuffer?) {
    last.withLock { $0 = LastRequest(head: head, body: body) }
  }

  /// As `/stats` answers. The connection that asks is not counted.
  var json: String {
    let counters = [
      ("requests", requests.load(ordering: .relaxed)),
      ("finished", finished.load(ordering: .relaxed)),
      ("aborted", aborted.load(ordering: .relaxed)),
      ("tokens", tokens.load(ordering: .relaxed)),
      ("open", open.load(ordering: .relaxed)),
      ("connections", max(0, connections.load(ordering: .relaxed) - 1)),
    ]
    let members = counters.map { "\"\($0.0)\":\($0.1)," }.joined()
    return "{\(members)\"last_request\":\(last.withLock { $0 }.map(Self.json) ?? "null")}\n"
  }

  private static func json(_ request: LastRequest) -> String {
    var headers: [(name: String, value: String)] = []
    for (name, value) in request.head.headers {
      let name = name.lowercased()
      if let index = headers.firstIndex(where: { $0.name == name }) {
        headers[index].value += ", " + value
      } else {
        headers.append((name, value))
      }
    }
    let fields = headers.map { "\(JSONText.quoted($0.name)):\(JSONText.quoted($0.value))" }.joined(separator: ",")
    let body = request.body.map { String(buffer: $0) } ?? "null"
    return "{\"path\":\(JSONText.quoted(request.head.uri)),\"headers\":{\(fields)},\"body\":\(body)}"
  }
}
