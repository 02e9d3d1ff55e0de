import Streaming

/// `/status` for people at a terminal, as `name: value` lines, and for programs, as JSON under the same names.
struct StatusReport {
  private enum Value {
    case text(String)
    case integer(Int)
    case decimal(Double)
    case flag(Bool)
    case nothing
  }

  private typealias Rows = [(name: String, value: Value)]

  private let survey: Survey
  private let isFull: Bool

  /// - Parameter isFull: with each running stream.
  init(_ survey: Survey, isFull: Bool) {
    self.survey = survey
    self.isFull = isFull
  }

  // MARK: Forms

  var text: [UInt8] {
    var text: [UInt8] = []
    Self.append(process, to: &text)
    if let note = survey.note { text.append("note: \(note)\n") }
    for (name, rows) in models { Self.append(rows, to: &text, title: "model: \(name)") }
    for (name, rows) in providers { Self.append(rows, to: &text, title: "provider: \(name)") }
    guard isFull else { return text }
    for stream in survey.running { Self.append(rows(stream), to: &text, title: "stream: \(stream.id)") }
    return text
  }

  var json: [UInt8] {
    var builder = JSONBuilder(capacity: 4096)
    builder.object { object in
      Self.append(process, to: &object)
      if let note = survey.note { object.string("note", note) }
      Self.append("models", "model", models, to: &object)
      Self.append("providers", "provider", providers, to: &object)
      guard isFull else { return }
      Self.append("running", "id", survey.running.map { ($0.id, rows($0)) }, to: &object)
    }
    return builder.bytes + "\n".utf8
  }

  // MARK: What is told

  private var process: Rows {
    [
      ("pid", .integer(Int(survey.process.pid))),
      ("version", .text(Program.version)),
      ("state", .text(survey.isDraining ? "draining" : "running")),
      ("start_time", .decimal(survey.startedAt)),
      ("uptime_seconds", .integer(Int(survey.time - survey.startedAt))),
      ("workers", .integer(survey.workers)),
      ("workers_silent", .integer(survey.silent.count)),
      ("other_processes", .integer(survey.otherProcesses)),
      ("connections", .integer(survey.connections)),
      ("streams", .integer(survey.streams)),
      ("streams_paused", .integer(survey.paused)),
      ("streams_queued", .integer(survey.queued)),
      ("requests", .integer(survey.requestCount)),
      ("tokens", .integer(survey.tokens)),
      ("cost_usd", .decimal(survey.cost)),
      ("limit_refusals", .integer(survey.refusalCount)),
      ("redis", survey.isRedisAway.map { .text($0 ? "away" : "there") } ?? .nothing),
      ("cancels", .integer(survey.ended(Lifecycle.Outcome.clientLeft.name))),
      ("stalls", .integer(survey.ended(Lifecycle.Outcome.clientStalled.name))),
      ("log_lines_lost", .integer(survey.lostLogLines)),
      ("cpu_seconds", .decimal(survey.process.cpuSeconds)),
      ("resident_bytes", .integer(survey.process.residentBytes)),
      ("open_descriptors", .integer(survey.process.openDescriptors)),
      ("descriptor_bound", .integer(survey.process.descriptorBound)),
    ]
  }

  private var models: [(name: String, rows: Rows)] {
    survey.models.map { name, model in
      let times: Rows = [
        ("first_token_p50_ms", Self.milliseconds(model.firstToken.quantile(0.5))),
        ("first_token_p95_ms", Self.milliseconds(model.firstToken.quantile(0.95))),
        ("token_gap_p50_ms", Self.milliseconds(model.tokenGap.quantile(0.5))),
        ("token_gap_p95_ms", Self.milliseconds(model.tokenGap.quantile(0.95))),
        ("waited_for_provider_seconds", .decimal(Double(model.waitedForProvider) / 1e9)),
        ("waited_for_client_seconds", .decimal(Double(model.waitedForClient) / 1e9)),
      ]
      let counts: Rows = [
        ("streams_ended", .integer(model.streams)),
        ("streams_done", .integer(model.endings["done"] ?? 0)),
        ("tokens", .integer(model.tokens)),
        ("prompt_tokens", .integer(model.promptTokens)),
        ("completion_tokens", .integer(model.completionTokens)),
        ("cost_usd", .decimal(model.cost)),
        ("retries", .integer(model.retries)),
        ("fallbacks", .integer(model.fallbacks)),
      ]
      return (name, counts + times)
    }
  }

  private var providers: [(name: String, rows: Rows)] {
    survey.providers.map { name in
      let errors = survey.errors(of: name)
      var rows: Rows = [
        ("left_out", .flag(survey.breakers.contains { $0.provider == name && $0.isOpen })),
        ("errors", .integer(errors.values.reduce(0, +))),
      ]
      for kind in Failure.Kind.allCases {
        if let count = errors[kind] { rows.append(("errors_\(kind.rawValue)", .integer(count))) }
      }
      return (name, rows)
    }
  }

  private func rows(_ stream: StreamReport) -> Rows {
    [
      ("route", .text(stream.route)),
      ("model", .text(stream.model)),
      ("state", .text(stream.state.rawValue)),
      ("age_ms", .integer(stream.age(at: survey.now))),
      ("tokens", .integer(stream.tokens)),
      ("buffered_bytes", .integer(stream.bufferedBytes)),
      ("paused_by", stream.isPaused ? .text("client") : .nothing),
    ]
  }

  private static func milliseconds(_ seconds: Double?) -> Value {
    seconds.map { .decimal(($0 * 10_000).rounded() / 10) } ?? .nothing
  }

  // MARK: Laying out

  private static func append(_ rows: Rows, to text: inout [UInt8], title: String? = nil) {
    if let title { text.append("\n\(oneLine(title))\n") }
    for (name, value) in rows {
      text.append(name)
      text.append(": ")
      switch value {
      case .text(let value): text.append(oneLine(value))
      case .integer(let value): text.append(decimal: value)
      case .decimal(let value): text.append(Self.decimal(value))
      case .flag(let value): text.append(value ? "yes" : "no")
      case .nothing: text.append("-")
      }
      text.append("\n")
    }
  }

  /// A model's name may come from a client.
  private static func oneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : $0 }))
  }

  private static func append(_ rows: Rows, to object: inout JSONBuilder) {
    for (name, value) in rows {
      switch value {
      case .text(let value): object.string(name, value)
      case .integer(let value): object.raw(name, String(value).utf8)
      case .decimal(let value): object.raw(name, decimal(value).utf8)
      case .flag(let value): object.raw(name, String(value).utf8)
      case .nothing: object.raw(name, "null".utf8)
      }
    }
  }

  private static func append(
    _ list: String, _ key: String, _ elements: [(name: String, rows: Rows)], to object: inout JSONBuilder
  ) {
    object.array(list) { array in
      for (name, rows) in elements {
        array.object { element in
          element.string(key, name)
          append(rows, to: &element)
        }
      }
    }
  }

  /// Without an exponent, however long the process has run.
  private static func decimal(_ value: Double) -> String {
    guard value.isFinite, value >= 1e8 else { return Decimal.text(value) }
    return String(Int(clamping: Int64(exactly: value.rounded()) ?? .max))
  }
}

extension Survey {
  /// What a reader must know to take the figures for what they are; nil: nothing.
  var note: String? {
    var notes: [String] = []
    if otherProcesses > 0 {
      notes.append(
        "these are the figures of process \(process.pid) alone; \(otherProcesses) more on its socket have their own")
    }
    if !silent.isEmpty {
      let names = silent.map { "worker-\($0)" }.joined(separator: ", ")
      notes.append("\(names) did not answer within a second, and the figures lack theirs")
    }
    return notes.isEmpty ? nil : notes.joined(separator: "; ")
  }
}
