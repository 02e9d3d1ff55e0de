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
    switch format {
    case .logfmt: logfmt
    case .json: json + "\n".utf8
    }
  }

  private var json: [UInt8] {
    var builder = JSONBuilder()
    builder.object { object in
      object.raw("time", "\"".utf8 + timestamp + "\"".utf8)
      object.string("level", level)
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

  private var logfmt: [UInt8] {
    var line = [UInt8]()
    line.reserveCapacity(384)
    line.append("time=")
    line += timestamp
    line.append(" level=")
    line.append(level)
    for (name, value) in values {
      line.append(" ")
      line.append(name)
      line.append("=")
      switch value {
      case .text(let text): Self.append(text, to: &line)
      case .integer(let number): line.append(decimal: number)
      case .decimal(let number): line.append(Decimal.text(number))
      }
    }
    line.append("\n")
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
  private var timestamp: [UInt8] {
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
