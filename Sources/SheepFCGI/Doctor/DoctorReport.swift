import Streaming

/// All findings, laid out for people or for machines.
struct DoctorReport {
  let findings: [Finding]

  var problems: Int { findings.count { $0.level == .problem } }
  var warnings: Int { findings.count { $0.level == .warning } }

  /// By area, the worst of each first, and a sum at the end.
  var text: String {
    var lines: [String] = []
    var areas: [String] = []
    for finding in findings where !areas.contains(finding.area) { areas.append(finding.area) }
    for area in areas {
      lines.append(area)
      for level in Finding.Level.allCases.reversed() {
        for finding in findings where finding.area == area && finding.level == level {
          let mark = level.rawValue + String(repeating: " ", count: 8 - level.rawValue.count)
          lines.append("  \(mark) \(Self.harmless("\(finding.subject): \(finding.text)"))")
          if let remedy = finding.remedy { lines.append("           → \(Self.harmless(remedy))") }
        }
      }
    }
    lines.append("")
    lines.append("\(Self.count(problems, "problem")), \(Self.count(warnings, "warning"))")
    return lines.joined(separator: "\n")
  }

  /// `{"problems":0,"warnings":1,"findings":[{"level","check","subject","text","remedy"}]}`, `remedy` null where it is ok.
  var json: String {
    var json = JSONBuilder()
    json.object {
      $0.raw("problems", String(problems).utf8)
      $0.raw("warnings", String(warnings).utf8)
      $0.array("findings") { list in
        for finding in findings {
          list.object {
            $0.string("level", finding.level.rawValue)
            $0.string("check", finding.check)
            $0.string("subject", finding.subject)
            $0.string("text", finding.text)
            $0.name("remedy")
            if let remedy = finding.remedy { $0.string(remedy) } else { $0.raw("null".utf8) }
          }
        }
      }
    }
    return String(decoding: json.bytes, as: UTF8.self)
  }

  private static func count(_ number: Int, _ noun: String) -> String {
    "\(number) \(noun)\(number == 1 ? "" : "s")"
  }

  /// What a file or another program says may hold what moves a terminal.
  private static func harmless(_ text: String) -> String {
    text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }.joined()
  }
}
