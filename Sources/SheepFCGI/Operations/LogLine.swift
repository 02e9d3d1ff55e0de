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
    values = [("msg", .text(message))]
  }

  mutating func add(_ name: String, _ text: String) { values.append((name, .text(text))) }

  mutating func add(_ name: String, _ number: Int) { values.append((name, .integer(number))) }

  mutating func add(_ name: String, _ number: Double) { values.append((name, .decimal(number))) }

  /// The line with its newline, and no other newline in it.
  func bytes(_ format: Settings.Log.Format) -> [UInt8] {
    switch format {
    case .logfmt: return Array(logfmt.utf8) + "\n".utf8
    case .json: return json + "\n".utf8
    }
  }

  private var json: [UInt8] {
    var builder = JSONBuilder()
    builder.object { object in
      object.string("time", Timestamp.text(time))
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

  private var logfmt: String {
    var line = "time=\(Timestamp.text(time)) level=\(level)"
    for (name, value) in values {
      switch value {
      case .text(let text): line += " \(name)=\(Self.quote(text))"
      case .integer(let number): line += " \(name)=\(number)"
      case .decimal(let number): line += " \(name)=\(Decimal.text(number))"
      }
    }
    return line
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

/// The time of a log line.
private enum Timestamp {
  /// RFC 3339, in UTC, with milliseconds.
  static func text(_ time: timespec) -> String {
    var seconds = time.tv_sec
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ number: some BinaryInteger) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let thousandths = time.tv_nsec / 1_000_000
    let padding = thousandths < 10 ? "00" : thousandths < 100 ? "0" : ""
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):"
      + "\(two(parts.tm_min)):\(two(parts.tm_sec)).\(padding)\(thousandths)Z"
  }
}
