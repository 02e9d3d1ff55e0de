/// A run as one HTML file that needs nothing else.
struct Page {
  private let results: Results
  private let report: TextReport

  init(_ results: Results, comparedTo earlier: Results? = nil) {
    self.results = results
    report = TextReport(results, comparedTo: earlier)
  }

  var html: String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>SheepFCGI benchmarks, \(results.date)</title>
    <style>\(PageStyle.css)</style>
    </head>
    <body>
    <main>
    <h1>SheepFCGI benchmarks</h1>
    <p>\(Markup.escaped(results.date))\(results.kind)<br>\
    \(Markup.escaped(results.machine.summary))</p>
    \(Self.list(report.remarks.flatMap { $0.split(separator: "\n").map { String($0.dropFirst(2)) } }))
    <section><h2>Summary</h2>\(Self.table(report.summary))</section>
    \(PhaseName.allCases.compactMap(section).joined(separator: "\n"))
    </main>
    </body>
    </html>

    """
  }

  private func section(_ phase: PhaseName) -> String? {
    guard let table = report.table(phase) else { return nil }
    let plots = plots(phase).map { "<figure><figcaption>\(Markup.escaped($0.title))</figcaption>\($0.svg)</figure>" }
    return """
      <section><h2>\(phase.rawValue)</h2>
      <p>\(Markup.escaped(phase.explanation))</p>
      <div class="plots">\(plots.joined())</div>
      \(Self.list(report.remarks(of: phase)))
      <details><summary>All figures</summary>\(Self.table(table))</details></section>
      """
  }

  // MARK: Plots

  private func plots(_ phase: PhaseName) -> [(title: String, svg: String)] {
    switch phase {
    case .startup: bars(phase, [.listening, .firstAnswer, .resident])
    case .paced:
      bars(phase, [.relayToNginx, .relayCPU])
        + [
          range("delay p50, p99, p99.9", phase, [.delayMedian, .delay99, .delay999]),
          range("gap p50, p99, p99.9", phase, [.gapMedian, .gap99, .gap999]),
        ].compactMap { $0 }
    case .ttft: bars(phase, [.ttftAddedMedian, .ttftMedian])
    case .rps: bars(phase, [.requestsToAlone, .requests])
    case .flood: bars(phase, [.floodToAlone, .flood])
    case .idle: bars(phase, [.streamMemory])
    case .slow: bars(phase, [.growth])
    case .cancel: bars(phase, [.cancelled])
    case .scale:
      [
        lines(phase, [.relayCPU, .nginxCPU]), lines(phase, [.streamMemory]), lines(phase, [.delay99, .delayMedian]),
        lines(phase, [.spread]),
      ].compactMap { $0 }
    case .tls: bars(phase, [.relayCPU, .streamMemory, .ttftMedian, .handshakes, .worstGap])
    }
  }

  private func rows(_ phase: PhaseName) -> [(label: String, row: PhaseResult.Row, isOurs: Bool)] {
    results.contenders.flatMap { contender in
      contender.phases.filter { $0.phase == phase }.flatMap(\.rows).map { row in
        (row.label.isEmpty ? contender.title : row.label, row, contender.name == "sheepfcgi")
      }
    }
  }

  private func bars(_ phase: PhaseName, _ quantities: [Quantity]) -> [(title: String, svg: String)] {
    quantities.compactMap { quantity in
      let bars = rows(phase).compactMap { label, row, isOurs in
        row.figure(quantity).map { BarPlot.Bar(label: label, value: $0, isOurs: isOurs) }
      }
      guard !bars.isEmpty else { return nil }
      let title = Self.title(quantity)
      return (title, BarPlot(title: title, quantity: quantity, bars: bars).svg)
    }
  }

  private func range(_ title: String, _ phase: PhaseName, _ quantities: [Quantity]) -> (title: String, svg: String)? {
    let ranges = rows(phase).compactMap { label, row, isOurs -> RangePlot.Range? in
      let values = quantities.compactMap(row.figure)
      return values.isEmpty ? nil : RangePlot.Range(label: label, values: values, isOurs: isOurs)
    }
    guard !ranges.isEmpty else { return nil }
    let unit = quantities[0].unit
    return ("\(title), \(unit)", RangePlot(title: title, unit: unit, ranges: ranges).svg)
  }

  private func lines(_ phase: PhaseName, _ quantities: [Quantity]) -> (title: String, svg: String)? {
    let rows = rows(phase)
    let lines = quantities.map { quantity in
      LinePlot.Line(
        label: quantity.title,
        points: rows.compactMap { label, row, _ in
          both(Double(label), row.figure(quantity)).map { (x: $0, y: $1) }
        })
    }
    guard lines.contains(where: { !$0.points.isEmpty }) else { return nil }
    let title = Self.title(quantities[0])
    return (title, LinePlot(title: title, quantity: quantities[0], lines: lines).svg)
  }

  private static func title(_ quantity: Quantity) -> String {
    quantity.unit.isEmpty ? quantity.title : "\(quantity.title), \(quantity.unit)"
  }

  // MARK: Text

  private static func list(_ items: [String]) -> String {
    items.isEmpty ? "" : "<ul>\(items.map { "<li>\(Markup.escaped($0))</li>" }.joined())</ul>"
  }

  private static func table(_ table: TextTable) -> String {
    let head = table.titles.map { "<th scope=\"col\">\(Markup.escaped($0))</th>" }.joined()
    let rows = table.rows.map { row in
      "<tr><th scope=\"row\">\(Markup.escaped(row[0]))</th>"
        + row.dropFirst().map { "<td>\(Markup.escaped($0))</td>" }.joined() + "</tr>"
    }
    return "<div class=\"table\" tabindex=\"0\"><table><thead><tr>\(head)</tr></thead>"
      + "<tbody>\(rows.joined())</tbody></table></div>"
  }
}
