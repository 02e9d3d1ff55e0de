import Glibc
import Streaming

/// One line of the log: when, how grave, and named values in the order in which they were added.
///
/// Made where something happens, and laid out by the thread that writes, in the format that is in force by then.
struct LogLine: Sendable {
  private enum Value: Sendable {
    case text(String)
    case integer(Int)
    case decimal(Double)
  }

  private let time: timespec
  private let level: String
  private var values: [(name: String, value: Value)]

  /// Of this moment.
  init(level: String, _ message: String) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    time = now
    self.level = level
    values = []
    values.reserveCapacity(16)
    values.append(("msg", .text(message)))
  }

  mutating func add(_ name: String, _ text: String) { values.append((name, .text(text))) }

  mutating func add(_ name: String, _ number: Int) { values.append((name, .integer(number))) }

  mutating func add(_ name: String, _ number: Double) { values.append((name, .decimal(number))) }

  /// The line with its newline, and no other newline in it.
  func bytes(_ format: Settings.Log.Format) -> [UInt8] {
    text(format, isWhole: true) + "\n".utf8
  }

  /// The line without its newline.
  /// - Parameter isWhole: with time and level.
  func text(_ format: Settings.Log.Format, isWhole: Bool) -> [UInt8] {
    switch format {
    case .logfmt: logfmt(isWhole)
    case .json: json(isWhole)
    }
  }

  /// Seconds since 1970.
  var seconds: time_t { time.tv_sec }

  /// The level as syslog counts it (RFC 3164, section 4.1.1).
  var priority: UInt8 {
    switch level {
    case "critical": 2
    case "error": 3
    case "warning": 4
    case "notice": 5
    case "info": 6
    default: 7
    }
  }

  /// Each value as text that nothing is quoted in.
  var plainValues: [(name: String, value: String)] {
    values.map { name, value in
      switch value {
      case .text(let text): (name, text)
      case .integer(let number): (name, String(number))
      case .decimal(let number): (name, Decimal.text(number))
      }
    }
  }

  private func json(_ isWhole: Bool) -> [UInt8] {
    var builder = JSONBuilder()
    builder.object { object in
      if isWhole {
        object.raw("time", "\"".utf8 + timestamp + "\"".utf8)
        object.string("level", level)
      }
      for (name, value) in values {
        switch value {
        case .text(let text): object.string(name, text)
        case .integer(let number): object.raw(name, String(number).utf8)
        case .decimal(let number): object.raw(name, Decimal.text(number).utf8)
        }
      }
    }
    return builder.bytes
  }

  private func logfmt(_ isWhole: Bool) -> [UInt8] {
    var line = [UInt8]()
    line.reserveCapacity(384)
    if isWhole {
      line.append("time=")
      line += timestamp
      line.append(" level=")
      line.append(level)
    }
    for (name, value) in values {
      if !line.isEmpty { line.append(" ") }
      line.append(name)
      line.append("=")
      switch value {
      case .text(let text): Self.append(text, to: &line)
      case .integer(let number): line.append(decimal: number)
      case .decimal(let number): line.append(Decimal.text(number))
      }
    }
    return line
  }

  /// Quoted where anything in it would end the value, or the line.
  private static func append(_ value: String, to line: inout [UInt8]) {
    let isPlain = value.utf8.allSatisfy {
      $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "=")
    }
    if isPlain, !value.isEmpty { return line.append(value) }
    line.append("\"")
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\""): line.append("\\\"")
      case UInt8(ascii: "\\"): line.append("\\\\")
      case 0x0A: line.append("\\n")
      case 0..<0x20, 0x7F: line.append("?")
      default: line.append(byte)
      }
    }
    line.append("\"")
  }

  /// RFC 3339, in UTC, with milliseconds.
  var timestamp: [UInt8] {
    var seconds = time.tv_sec
    var parts = tm()
    gmtime_r(&seconds, &parts)
    var text: [UInt8] = []
    for (mark, number, width) in [
      ("", parts.tm_year + 1900, 4), ("-", parts.tm_mon + 1, 2), ("-", parts.tm_mday, 2), ("T", parts.tm_hour, 2),
      (":", parts.tm_min, 2), (":", parts.tm_sec, 2), (".", Int32(time.tv_nsec / 1_000_000), 3),
    ] {
      text.append(mark)
      text.append(decimal: Int(number), width: width)
    }
    text.append("Z")
    return text
  }
}
