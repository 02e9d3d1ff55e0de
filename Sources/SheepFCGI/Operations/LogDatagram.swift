import Glibc
import Streaming

// A line of the log as a log daemon takes it. Level and time are the daemon's own, so the text has neither.

extension LogLine {
  /// What a datagram carries: the least that a kernel's default send buffer (net.core.wmem_default) takes is well above.
  private static let journalBytes = 64 << 10
  /// rsyslog's own bound ($MaxMessageSize); RFC 3164 would have 1024, which an access line may exceed.
  private static let syslogBytes = 8 << 10
  /// Cut at that in the journal: no value of ours that is whole is longer.
  private static let valueBytes = 2 << 10

  func datagram(_ form: LogSocket.Form, _ format: Settings.Log.Format) -> [UInt8] {
    switch form {
    case .journal: journal(format)
    case .syslog: syslog(format)
    }
  }

  /// `NAME=value` and a newline each. None of our values holds a newline but what failed in several places at once, so
  /// that form takes the length of the value in its place.
  private func journal(_ format: Settings.Log.Format) -> [UInt8] {
    var datagram: [UInt8] = []
    Self.append("MESSAGE", Self.cut(text(format, isWhole: false), Self.journalBytes / 4), to: &datagram)
    Self.append("PRIORITY", [UInt8(ascii: "0") + priority], to: &datagram)
    Self.append("SYSLOG_IDENTIFIER", Array("sheepfcgi".utf8), to: &datagram)
    Self.append("SHEEPFCGI_TIME", timestamp, to: &datagram)
    for (name, value) in plainValues {
      let cut = Self.cut(Array(value.utf8), Self.valueBytes)
      guard datagram.count + cut.count + 64 <= Self.journalBytes else { break }
      Self.append("SHEEPFCGI_\(name.uppercased())", cut, to: &datagram)
    }
    return datagram
  }

  private static func append(_ name: String, _ value: [UInt8], to datagram: inout [UInt8]) {
    datagram += name.utf8
    guard value.contains(UInt8(ascii: "\n")) else {
      datagram.append(UInt8(ascii: "="))
      datagram += value
      datagram.append(UInt8(ascii: "\n"))
      return
    }
    datagram.append(UInt8(ascii: "\n"))
    withUnsafeBytes(of: UInt64(value.count).littleEndian) { datagram += $0 }
    datagram += value
    datagram.append(UInt8(ascii: "\n"))
  }

  /// `<30>Nov 28 01:17:05 sheepfcgi[4711]: …`, in local time (RFC 3164, section 4.1).
  private func syslog(_ format: Settings.Log.Format) -> [UInt8] {
    let daemon: UInt8 = 3
    var datagram: [UInt8] = []
    datagram += "<\(daemon * 8 + priority)>".utf8
    datagram += Self.syslogTime(seconds)
    datagram += " sheepfcgi[\(getpid())]: ".utf8
    datagram += text(format, isWhole: false)
    return Self.cut(datagram, Self.syslogBytes)
  }

  private static func syslogTime(_ seconds: time_t) -> [UInt8] {
    var seconds = seconds
    var parts = tm()
    localtime_r(&seconds, &parts)
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    var text = Array("\(months[Int(parts.tm_mon)]) ".utf8)
    // The day alone is filled up with a space.
    if parts.tm_mday < 10 { text.append(UInt8(ascii: " ")) }
    text.append(decimal: Int(parts.tm_mday))
    for (mark, number) in [(" ", parts.tm_hour), (":", parts.tm_min), (":", parts.tm_sec)] {
      text.append(mark)
      text.append(decimal: Int(number), width: 2)
    }
    return text
  }

  /// At most so many bytes, and no character in two.
  private static func cut(_ text: [UInt8], _ bound: Int) -> [UInt8] {
    guard text.count > bound else { return text }
    var end = bound
    while end > 0, text[end] & 0xC0 == 0x80 { end -= 1 }
    return Array(text[..<end])
  }
}
