import Logging

/// Lines of `name=value` pairs (logfmt).
struct LogfmtLine {
  private(set) var text: String

  init(level: String) {
    text = "time=\(Timestamp.text()) level=\(level)"
  }

  mutating func add(_ name: String, _ value: String) {
    text += " \(name)=\(Self.quote(value))"
  }

  mutating func add(_ name: String, _ value: Int) {
    text += " \(name)=\(value)"
  }

  /// A value with anything in it that would end it, or the line.
  private static func quote(_ value: String) -> String {
    let isPlain = value.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0 != "\"" && $0 != "=" }
    if isPlain, !value.isEmpty { return value }
    var quoted = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: quoted += "?"
      default: quoted.unicodeScalars.append(scalar)
      }
    }
    return quoted + "\""
  }
}

/// swift-log's messages as logfmt lines of the queue.
struct LogfmtHandler: LogHandler {
  let queue: LogQueue
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  init(_ queue: LogQueue) {
    self.queue = queue
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var line = LogfmtLine(level: event.level.rawValue)
    line.add("msg", "\(event.message)")
    queue.append(line.text)
  }
}
