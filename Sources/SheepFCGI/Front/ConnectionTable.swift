import Streaming

/// A worker's connections from the web server. Bound to its worker's thread.
struct ConnectionTable {
  private var connections: [Int32: Connection] = [:]

  var isEmpty: Bool { connections.isEmpty }
  var count: Int { connections.count }
  var all: [Connection] { Array(connections.values) }

  mutating func insert(_ connection: Connection) {
    connections[connection.raw] = connection
  }

  mutating func remove(_ connection: Connection) {
    connections[connection.raw] = nil
  }

  /// Whom to cut off so that others may come in: the older half of those that have said nothing, as a web server
  /// connects when it has something to ask; where there are none, of those that have never asked a whole question.
  var intruders: ArraySlice<Connection> {
    let strangers = connections.values.filter { !$0.hasAsked }
    let silent = strangers.filter { !$0.hasSpoken }
    let candidates = (silent.isEmpty ? strangers : silent).sorted { $0.openedAt < $1.openedAt }
    return candidates.prefix((candidates.count + 1) / 2)
  }
}
