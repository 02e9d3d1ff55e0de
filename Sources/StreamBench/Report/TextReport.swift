extension Results {
  /// As it stands behind the date.
  var kind: String { (isQuick ? ", a quick run" : "") + (interruptedAt == nil ? "" : ", interrupted") }
}

/// Tables of a run, for a terminal or a Markdown file.
struct TextReport {
  private let results: Results
  private let comparison: Comparison?

  /// - Parameter earlier: a run that this one is compared to.
  init(_ results: Results, comparedTo earlier: Results? = nil) {
    self.results = results
    comparison = earlier.map(Comparison.init)
  }

  var text: String {
    let head = "stream-bench, \(results.date)\(results.kind), on \(results.machine.summary)"
    return ([head] + remarks + ["## Summary\n\n\(summary.text)"] + PhaseName.allCases.compactMap(section))
      .joined(separator: "\n\n")
  }

  /// What was missing, and how far the figures compare.
  var remarks: [String] {
    var lines =
      results.interruptedAt.map { ["- the run was interrupted at \($0): what is not here was not measured"] } ?? []
    lines += results.problems.map { "- \($0)" }
    lines += results.contenders.compactMap { contender in
      contender.missing.map { "- \(contender.title) was not measured: \($0)" }
    }
    if let comparison {
      lines.append("- in brackets: the change against the run of \(comparison.date)")
      lines += comparison.reservations(results).map { "- \($0)" }
    }
    return lines.isEmpty ? [] : [lines.joined(separator: "\n")]
  }

  var summary: TextTable {
    let rows = results.contenders.filter { $0.missing == nil }.map { contender in
      [contender.title]
        + Headline.all.map { headline in
          guard let value = contender.figure(headline.quantity, in: headline.phase) else { return "–" }
          return cell(Figure(headline.quantity, value), contender.name, headline.phase, "")
        } + [Number.text(contender.faults, digits: 0)]
    }
    return TextTable(titles: ["behind nginx"] + Headline.all.map(\.title) + ["faults"], rows: rows)
  }

  /// One phase of all contenders; nil: none had it.
  private func section(_ phase: PhaseName) -> String? {
    guard let table = table(phase) else { return nil }
    let remarks = remarks(of: phase).map { "- \($0)" }
    return (["## \(phase.rawValue)\n\n\(phase.explanation)\n\n\(table.text)"] + remarks).joined(separator: "\n")
  }

  func table(_ phase: PhaseName) -> TextTable? {
    let found = results.contenders.flatMap { contender in
      contender.phases.filter { $0.phase == phase }.flatMap { $0.rows.map { (contender: contender, row: $0) } }
    }
    guard !found.isEmpty else { return nil }
    let quantities = Quantity.allCases.filter { quantity in found.contains { $0.row.figure(quantity) != nil } }
    return TextTable(
      titles: [""] + quantities.map { $0.unit.isEmpty ? $0.title : "\($0.title), \($0.unit)" },
      rows: found.map { contender, row in
        [row.label.isEmpty ? contender.title : row.label]
          + quantities.map { quantity in
            row.figure(quantity).map { cell(Figure(quantity, $0), contender.name, phase, row.label) } ?? "–"
          }
      })
  }

  func remarks(of phase: PhaseName) -> [String] {
    results.contenders.flatMap { contender in
      contender.phases.filter { $0.phase == phase }.flatMap { $0.notes + $0.problems }.map {
        "\(contender.title): \($0)"
      }
    }
  }

  private func cell(_ figure: Figure, _ contender: String, _ phase: PhaseName, _ row: String) -> String {
    let value = Number.text(figure)
    guard let comparison, !figure.quantity.isFault else { return value }
    let change = comparison.change(figure, of: contender, in: phase, row: row)
    let verdict = change.isWorse(figure.quantity.better) ? " worse" : ""
    return change == .unknown ? value : "\(value) \(change.text)\(verdict)"
  }
}
