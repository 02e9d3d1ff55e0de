import Testing

@testable import SheepFCGI

/// What a log daemon is sent.
@Suite struct LogDatagramTests {
  private static let levels: [(level: String, priority: Int)] = [
    ("critical", 2), ("error", 3), ("warning", 4), ("notice", 5), ("info", 6), ("debug", 7), ("trace", 7),
  ]

  @Test(arguments: levels)
  func levelsArePriorities(_ example: (level: String, priority: Int)) {
    let line = LogLine(level: example.level, "x")
    let journal = String(decoding: line.datagram(.journal, .logfmt), as: UTF8.self)
    #expect(journal.contains("\nPRIORITY=\(example.priority)\n"))
    let syslog = String(decoding: line.datagram(.syslog, .logfmt), as: UTF8.self)
    #expect(syslog.hasPrefix("<\(24 + example.priority)>"))
  }

  @Test func aValueWithANewlineIsSentWithItsLength() {
    var line = LogLine(level: "info", "x")
    line.add("a", "1\n2")
    let journal = line.datagram(.journal, .logfmt)
    let expected = Array("SHEEPFCGI_A\n".utf8) + [3, 0, 0, 0, 0, 0, 0, 0] + Array("1\n2\n".utf8)
    #expect(Array(journal.suffix(expected.count)) == expected)
  }

  @Test(arguments: [LogSocket.Form.journal, .syslog])
  func nothingIsTooLongForADatagram(_ form: LogSocket.Form) throws {
    var line = LogLine(level: "info", String(repeating: "é", count: 40_000))
    for number in 0..<100 { line.add("v\(number)", String(repeating: "→", count: 40_000)) }
    let datagram = line.datagram(form, .json)
    #expect(datagram.count <= (form == .journal ? 65_536 : 8_192))
    // Whole characters, but for the eight bytes of a length, of which there is none here.
    #expect(String(validating: datagram, as: UTF8.self) != nil)
  }
}
