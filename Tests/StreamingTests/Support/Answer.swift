import Foundation

/// An answer as a client reads it, taken apart without the library.
struct Answer {
  struct Event: Equatable {
    var name = "message"
    var id: String?
    var data: String

    var json: [String: Any] { (try? foundationObject(data.bytes)) ?? [:] }
    var isTerminal: Bool { name == "done" || name == "error" }
  }

  var status = 0
  var fields: [String: String] = [:]
  var body: String
  var events: [Event] = []
  var comments = 0
  /// Lines that have no place in an event stream of ours.
  var strayLines: [String] = []

  init(_ bytes: [UInt8]) {
    let head = bytes.firstRange(of: "\r\n\r\n".bytes)
    body = String(Array(bytes[(head?.upperBound ?? 0)...]))
    for line in String(Array(bytes[..<(head?.lowerBound ?? 0)])).components(separatedBy: "\r\n") {
      let parts = line.components(separatedBy: ": ")
      fields[parts[0]] = parts.dropFirst().joined(separator: ": ")
    }
    status = fields["Status"].flatMap { Int($0.prefix(3)) } ?? 0
    guard fields["Content-Type"]?.hasPrefix("text/event-stream") == true else { return }
    for block in body.components(separatedBy: "\n\n") where !block.isEmpty { read(block) }
  }

  private mutating func read(_ block: String) {
    var event = Event(data: "")
    var hasData = false
    for line in block.components(separatedBy: "\n") {
      if line.hasPrefix(":") {
        comments += 1
      } else if line.hasPrefix("data: "), !hasData {
        hasData = true
        event.data = String(line.dropFirst(6))
      } else if line.hasPrefix("event: ") {
        event.name = String(line.dropFirst(7))
      } else if line.hasPrefix("id: ") {
        event.id = String(line.dropFirst(4))
      } else {
        strayLines.append(line)
      }
    }
    if hasData { events.append(event) }
  }

  var terminals: [Event] { events.filter(\.isTerminal) }
  var text: String { joined("message") }
  var reasoning: String { joined("reasoning") }

  /// The tokens of one kind as one text. Their literals are joined before they are read, as a character may be split
  /// over two of them.
  private func joined(_ name: String) -> String {
    // By bytes: a text may begin with what would join the quote before it into one character.
    let literals = events.filter { $0.name == name }.map {
      $0.data.utf8.dropFirst("{\"token\":\"".utf8.count).dropLast(2)
    }
    let text = try? foundationJSON("\"".bytes + literals.joined() + "\"".bytes) as? String
    return text ?? "no JSON string: \(literals.map { String($0) ?? "" })"
  }
}
