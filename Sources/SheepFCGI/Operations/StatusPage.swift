import Streaming

/// `/status` as a page that one can look at: it refreshes itself, runs no script, and loads nothing.
struct StatusPage {
  private let survey: Survey
  private let isFull: Bool
  /// Of this answer; the policy lets no other style in.
  private let nonce = String(UInt128.random(in: 0...UInt128.max), radix: 16)
  private var html = ""

  /// Streams that are listed where not all are asked for.
  private static let streamBound = 200

  /// - Parameter isFull: with all running streams, however many.
  init(_ survey: Survey, isFull: Bool) {
    self.survey = survey
    self.isFull = isFull
    write()
  }

  var body: [UInt8] { Array(html.utf8) }

  var fields: [(name: String, value: String)] {
    [
      ("Refresh", "5"),
      (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'nonce-\(nonce)'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      ),
      ("Referrer-Policy", "no-referrer"),
    ]
  }

  // MARK: Parts

  private mutating func write() {
    html += """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(survey.streams) stream\(survey.streams == 1 ? "" : "s") · SheepFCGI</title>
      <style nonce="\(nonce)">\(Self.style)</style>
      </head>
      <body>
      <header><h1>SheepFCGI</h1>
      <p><b class="state \(survey.isDraining ? "bad" : "good")">\(survey.isDraining ? "draining" : "running")</b>
      process \(survey.process.pid), version \(Program.version), \(survey.workers) worker\(survey.workers == 1 ? "" : "s"),
      up \(Self.span(survey.time - survey.startedAt))</p></header>

      """
    if let note = survey.note { html += "<p class=\"note\">Note: \(Self.escape(note)).</p>\n" }
    writeTiles()
    writeModels()
    writeProviders()
    writeStreams()
    html += """
      <footer>Refreshes every 5 seconds. Also as <a href="?text">text</a>, <a href="?json">JSON</a>,
      <a href="?json&amp;full">JSON with all streams</a>; for Prometheus there is /metrics.</footer>
      </body>
      </html>

      """
  }

  private mutating func writeTiles() {
    let process = survey.process
    html += "<dl class=\"tiles\">\n"
    tile("streams", Self.number(survey.streams), survey.paused > 0 ? "\(survey.paused) paused" : "none paused")
    tile("connections", Self.number(survey.connections), "from the web server")
    tile("requests", Self.number(survey.requestCount), "since the start")
    tile("tokens", Self.number(survey.tokens), "since the start")
    tile("cost", "$" + Self.money(survey.cost), "since the start")
    tile(
      "clients", Self.number(survey.ended(Lifecycle.Outcome.clientLeft.name)) + " left",
      Self.number(survey.ended(Lifecycle.Outcome.clientStalled.name)) + " cut off")
    tile("memory", Self.bytes(process.residentBytes), "\(Self.span(process.cpuSeconds)) of CPU time")
    tile("descriptors", Self.number(process.openDescriptors), "of \(Self.number(process.descriptorBound))")
    if survey.queued > 0 { tile("queue", Self.number(survey.queued), "wait for a stream to end") }
    if survey.refusalCount > 0 { tile("limits", Self.number(survey.refusalCount), "requests refused") }
    if survey.isRedisAway == true { tile("Redis", "away", "limits are not counted together") }
    if survey.lostLogLines > 0 { tile("log", Self.number(survey.lostLogLines), "lines lost") }
    html += "</dl>\n"
  }

  private mutating func writeModels() {
    table(
      "Models",
      [
        "Model", "Ended", "Done", "Tokens", "Cost", "First token, median", "95 %", "Gap, median", "95 %",
        "Waited for provider", "for client", "Retries", "Fallbacks",
      ], texts: 1
    ) { page in
      for (name, model) in page.survey.models {
        let waited = (Double(model.waitedForProvider) / 1e9, Double(model.waitedForClient) / 1e9)
        page.row(
          [
            name, Self.number(model.streams), Self.number(model.endings["done"] ?? 0), Self.number(model.tokens),
            "$" + Self.money(model.cost), Self.milliseconds(model.firstToken.quantile(0.5)),
            Self.milliseconds(model.firstToken.quantile(0.95)), Self.milliseconds(model.tokenGap.quantile(0.5)),
            Self.milliseconds(model.tokenGap.quantile(0.95)), Self.span(waited.0), Self.span(waited.1),
            Self.number(model.retries), Self.number(model.fallbacks),
          ], texts: 1)
      }
    }
  }

  private mutating func writeProviders() {
    table("Providers", ["Provider", "State", "Failures by type", "Failed attempts"], texts: 3) { page in
      for name in page.survey.providers {
        let errors = page.survey.errors(of: name)
        let types = Failure.Kind.allCases.filter { errors[$0] != nil }
          .map { "\($0.rawValue) \(Self.number(errors[$0] ?? 0))" }
        let isOpen = page.survey.breakers.contains { $0.provider == name && $0.isOpen }
        page.row(
          [
            name, isOpen ? "left out" : "asked", types.joined(separator: ", "),
            Self.number(errors.values.reduce(0, +)),
          ],
          texts: 3, isBad: isOpen)
      }
    }
  }

  private mutating func writeStreams() {
    guard !survey.running.isEmpty else {
      html += "<h2>Running streams</h2>\n<p>None at the moment.</p>\n"
      return
    }
    let shown = isFull ? survey.running[...] : survey.running.prefix(Self.streamBound)
    let now = survey.now
    table("Running streams", ["Stream", "Model", "State", "Paused by", "Age", "Tokens", "Buffered"], texts: 4) { page in
      for stream in shown {
        page.row(
          [
            stream.id, stream.model, stream.state.rawValue, stream.isPaused ? "client" : "–",
            Self.span(Double(stream.age(at: now)) / 1000), Self.number(stream.tokens), Self.bytes(stream.bufferedBytes),
          ], texts: 4, isBad: stream.isPaused)
      }
    }
    let rest = survey.running.count - shown.count
    if rest > 0 { html += "<p>And \(Self.number(rest)) younger ones: <a href=\"?html&amp;full\">all</a>.</p>\n" }
  }

  // MARK: Markup

  private mutating func tile(_ name: String, _ value: String, _ more: String) {
    html += "<div><dt>\(name)</dt><dd><b>\(value)</b> \(more)</dd></div>\n"
  }

  /// - Parameter texts: columns at the left that hold no numbers.
  private mutating func table(_ title: String, _ heads: [String], texts: Int, _ rows: (inout StatusPage) -> Void) {
    html += "<h2>\(title)</h2>\n<div class=\"scroll\"><table><thead><tr>"
    for (index, head) in heads.enumerated() {
      html += "<th scope=\"col\"\(index < texts ? "" : " class=\"n\"")>\(Self.escape(head))</th>"
    }
    html += "</tr></thead>\n<tbody>\n"
    rows(&self)
    html += "</tbody></table></div>\n"
  }

  private mutating func row(_ cells: [String], texts: Int, isBad: Bool = false) {
    html += isBad ? "<tr class=\"bad\">" : "<tr>"
    for (index, cell) in cells.enumerated() {
      html += (index < texts ? "<td>" : "<td class=\"n\">") + Self.escape(cell) + "</td>"
    }
    html += "</tr>\n"
  }

  private static func escape(_ text: String) -> String {
    var escaped = ""
    for character in text.unicodeScalars {
      switch character {
      case "&": escaped += "&amp;"
      case "<": escaped += "&lt;"
      case ">": escaped += "&gt;"
      case "\"": escaped += "&quot;"
      default: escaped.unicodeScalars.append(character.value < 0x20 ? "?" : character)
      }
    }
    return escaped
  }

  // MARK: Numbers for people

  /// In groups of three.
  private static func number(_ value: Int) -> String {
    let digits = Array(String(value))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text += "\u{202F}" }
      text.append(digit)
    }
    return text
  }

  /// Four digits of dollars below one, two above.
  private static func money(_ value: Double) -> String {
    fixed(value, value < 1 ? 4 : 2)
  }

  private static func fixed(_ value: Double, _ places: Int) -> String {
    guard value.isFinite, value >= 0, value < 1e12 else { return "–" }
    let scale = [1, 10, 100, 1000, 10_000][places]
    let (whole, part) = Int((value * Double(scale)).rounded()).quotientAndRemainder(dividingBy: scale)
    guard places > 0 else { return number(whole) }
    let digits = String(part)
    return number(whole) + "." + String(repeating: "0", count: places - digits.count) + digits
  }

  private static func milliseconds(_ seconds: Double?) -> String {
    seconds.map { $0 < 0.01 ? fixed($0 * 1000, 1) + " ms" : $0 < 1 ? fixed($0 * 1000, 0) + " ms" : span($0) } ?? "–"
  }

  private static func span(_ seconds: Double) -> String {
    if seconds < 120 { return fixed(seconds, 1) + " s" }
    let minutes = Int(min(seconds, 1e15)) / 60
    if minutes < 120 { return "\(minutes) min" }
    return minutes < 48 * 60 ? "\(minutes / 60) h \(minutes % 60) min" : "\(number(minutes / 1440)) days"
  }

  private static func bytes(_ count: Int) -> String {
    if count < 1000 { return "\(count) B" }
    let units = ["kB", "MB", "GB", "TB"]
    var (value, unit) = (Double(count) / 1000, 0)
    while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1000, unit + 1) }
    return fixed(value, value < 10 ? 1 : 0) + " " + units[unit]
  }
}

extension StatusPage {
  fileprivate static let style = """

    :root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #18794e; --bad: #b42318; }
    @media (prefers-color-scheme: dark) { :root { --good: #4cc38a; --bad: #ff8a7a; } }
    body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1.25rem; }
    header { align-items: baseline; display: flex; flex-wrap: wrap; gap: 0 1rem; }
    h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } p { margin: .25rem 0; }
    .good { color: var(--good); } .bad { color: var(--bad); }
    .note { border-left: 3px solid var(--bad); margin: 1rem 0; padding: .25rem .75rem; }
    .tiles { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); margin: 1.25rem 0; }
    .tiles div { background: var(--soft); border-radius: .5rem; padding: .6rem .8rem; }
    dt, footer, th { opacity: .75; } dt { font-size: .85rem; } dd { font-size: .85rem; margin: 0; }
    dd b { display: block; font-size: 1.35rem; font-weight: 600; }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; font-size: .9rem; width: 100%; }
    th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: baseline; }
    th { font-weight: 500; } td { white-space: nowrap; } .n { font-variant-numeric: tabular-nums; text-align: right; }
    footer { font-size: .85rem; margin-top: 2.5rem; } a { color: inherit; }

    """
}
