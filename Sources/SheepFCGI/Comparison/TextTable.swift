/// Rows under their titles, in columns, as Markdown would have it.
enum TextTable {
  static func text(_ titles: [String], _ rows: [[String]]) -> String {
    let rows = rows.map { $0.map(harmless) }
    let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
    // A column in which nothing stands is no column.
    let columns = titles.indices.filter { column in rows.contains { !$0[column].isEmpty } }
    func line(_ cells: [String]) -> String {
      let padded = columns.map { cells[$0] + String(repeating: " ", count: widths[$0] - cells[$0].count) }
      return "| " + padded.joined(separator: " | ") + " |"
    }
    let rule = line(widths.map { String(repeating: "-", count: $0) })
    return ([line(titles), rule] + rows.map(line)).joined(separator: "\n")
  }

  /// What a provider says may hold what breaks a row, or moves a terminal.
  private static func harmless(_ cell: String) -> String {
    let scalars = cell.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : String($0) }
    return scalars.joined().replacing("|", with: "\\|")
  }
}
