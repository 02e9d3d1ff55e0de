/// One thing that was looked at, and what came of it. Never holds a key.
struct Finding: Equatable {
  enum Level: String, CaseIterable { case ok, warning, problem }

  let level: Level
  /// Of which check, as `AREA.NAME`: stable, for machines.
  let check: String
  /// What was looked at: a file, a socket, a location of nginx's, a provider.
  let subject: String
  let text: String
  /// What to do. Nil: nothing.
  let remedy: String?

  static func ok(_ check: String, _ subject: String, _ text: String) -> Finding {
    Finding(level: .ok, check: check, subject: subject, text: text, remedy: nil)
  }

  static func warning(_ check: String, _ subject: String, _ text: String, _ remedy: String) -> Finding {
    Finding(level: .warning, check: check, subject: subject, text: text, remedy: remedy)
  }

  static func problem(_ check: String, _ subject: String, _ text: String, _ remedy: String) -> Finding {
    Finding(level: .problem, check: check, subject: subject, text: text, remedy: remedy)
  }

  /// What belongs together, the check's first word.
  var area: String { String(check.prefix { $0 != "." }) }
}
