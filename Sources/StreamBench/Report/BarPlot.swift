/// One figure of each contender as a bar, from zero.
struct BarPlot {
  struct Bar {
    let label: String
    let value: Double
    /// Ours.
    let isOurs: Bool
  }

  let title: String
  let quantity: Quantity
  let bars: [Bar]

  private static let rowHeight = 36.0
  private static let width = 285.0

  var svg: String {
    let largest = max(bars.map(\.value).max() ?? 0, 1e-9)
    let elements = bars.enumerated().flatMap { index, bar in
      let top = Double(index) * Self.rowHeight
      let length = max(0, bar.value) / largest * Self.width
      return [
        Markup.text(bar.label, x: 0, y: top + 12, style: bar.isOurs ? "ours" : ""),
        Markup.rectangle(x: 0, y: top + 17, width: length, height: 12, style: bar.isOurs ? "bar ours" : "bar"),
        Markup.text(value(bar), x: max(length, 1) + 5, y: top + 27, style: "value"),
      ]
    }
    let told = bars.map { "\($0.label) \(value($0))" }.joined(separator: ", ")
    return Markup.drawing(
      height: Double(bars.count) * Self.rowHeight, describedAs: "\(title): \(told)", elements)
  }

  private func value(_ bar: Bar) -> String { Number.text(bar.value, digits: quantity.digits) }
}
