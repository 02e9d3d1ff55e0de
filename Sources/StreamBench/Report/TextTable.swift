/// Rows under their titles.
struct TextTable {
  /// Those in which nothing stands are left out.
  private(set) var titles: [String]
  private(set) var rows: [[String]]

  init(titles: [String], rows: [[String]]) {
    let columns = titles.indices.filter { column in
      column == 0 || rows.contains { !["", "–"].contains($0[column]) }
    }
    self.titles = columns.map { titles[$0] }
    self.rows = rows.map { row in columns.map { row[$0] } }
  }

  /// In columns, as Markdown has it.
  var text: String {
    let widths = titles.indices.map { column in ([titles] + rows).map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      let padded = cells.enumerated().map { column, cell in
        let space = String(repeating: " ", count: widths[column] - cell.count)
        return column == 0 ? cell + space : space + cell
      }
      return "| " + padded.joined(separator: " | ") + " |"
    }
    let rules = widths.enumerated().map { column, width in
      String(repeating: "-", count: width + 1) + (column == 0 ? "-" : ":")
    }
    return ([line(titles), "|" + rules.joined(separator: "|") + "|"] + rows.map(line)).joined(separator: "\n")
  }
}
