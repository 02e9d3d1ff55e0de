import Foundation

/// Percentiles of each contender on a logarithmic axis: a dot for p50, p99 and p99.9, and a line from first to last.
struct RangePlot {
  struct Range {
    let label: String
    /// Ascending.
    let values: [Double]
    let isOurs: Bool
  }

  let title: String
  let unit: String
  let ranges: [Range]

  private static let rowHeight = 32.0
  private static let (left, right) = (8.0, 340.0)

  var svg: String {
    let values = ranges.flatMap(\.values).filter { $0 > 0 }
    guard let least = values.min(), let most = values.max() else { return "" }
    let (low, high) = (log10(least).rounded(.down), max(log10(most).rounded(.up), log10(least).rounded(.down) + 1))
    func x(_ value: Double) -> Double {
      Self.left + (log10(max(value, pow(10, low))) - low) / (high - low) * (Self.right - Self.left)
    }
    let bottom = Double(ranges.count) * Self.rowHeight + 4
    let axis = stride(from: low, through: high, by: 1).flatMap { power in
      let value = pow(10, power)
      return [
        Markup.line(x1: x(value), y1: 0, x2: x(value), y2: bottom, style: "grid"),
        Markup.text(
          Number.text(value, digits: power < 0 ? Int(-power) : 0), x: x(value), y: bottom + 14,
          anchor: power == high ? "end" : power == low ? "start" : "middle", style: "value"),
      ]
    }
    let rows = ranges.enumerated().flatMap { index, range in
      row(range, y: Double(index) * Self.rowHeight, x)
    }
    let told = ranges.map { "\($0.label) \($0.values.map { Number.text($0, digits: 1) }.joined(separator: "/"))" }
    return Markup.drawing(
      height: bottom + 18, describedAs: "\(title), \(unit): \(told.joined(separator: ", "))", axis + rows)
  }

  private func row(_ range: Range, y: Double, _ x: (Double) -> Double) -> [String] {
    guard let first = range.values.first, let last = range.values.last else { return [] }
    let style = range.isOurs ? " ours" : ""
    let dots = range.values.enumerated().map { index, value in
      Markup.dot(x: x(value), y: y + 22, radius: 5 - Double(index), style: "dot\(style)")
    }
    return [
      Markup.text(range.label, x: Self.left, y: y + 12, style: style),
      Markup.line(x1: x(first), y1: y + 22, x2: x(last), y2: y + 22, style: "range\(style)"),
    ] + dots
  }
}
