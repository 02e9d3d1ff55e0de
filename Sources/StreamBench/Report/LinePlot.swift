/// Figures over the number of streams, each a line.
struct LinePlot {
  struct Line {
    let label: String
    let points: [(x: Double, y: Double)]
  }

  let title: String
  let quantity: Quantity
  let lines: [Line]

  private static let (left, right, top, bottom) = (50.0, 345.0, 26.0, 150.0)

  var svg: String {
    let points = lines.flatMap(\.points)
    guard let widest = points.map(\.x).max(), let most = points.map(\.y).max() else { return "" }
    let height = max(Self.ceiling(most), 1e-9)
    func x(_ value: Double) -> Double { Self.left + value / widest * (Self.right - Self.left) }
    func y(_ value: Double) -> Double { Self.bottom - value / height * (Self.bottom - Self.top) }
    let grid = [0, 0.5, 1].flatMap { share -> [String] in
      let value = height * share
      return [
        Markup.line(x1: Self.left, y1: y(value), x2: Self.right, y2: y(value), style: "grid"),
        Markup.text(
          Number.text(value, digits: height < 10 ? 1 : 0), x: Self.left - 5, y: y(value) + 4, anchor: "end",
          style: "value"),
      ]
    }
    let marks = [0, widest / 2, widest].map {
      Markup.text(
        Number.text($0, digits: 0), x: x($0), y: Self.bottom + 16, anchor: $0 == widest ? "end" : "middle",
        style: "value")
    }
    let drawn = lines.enumerated().flatMap { index, line in draw(line, index, x, y) }
    let told = lines.map { line in
      let points = line.points.map { "\(Int($0.x)): \(Number.text($0.y, digits: quantity.digits))" }
      return "\(line.label) \(points.joined(separator: ", "))"
    }
    return Markup.drawing(
      height: Self.bottom + 22, describedAs: "\(title) by streams: \(told.joined(separator: "; "))",
      grid + marks + drawn)
  }

  private func draw(_ line: Line, _ index: Int, _ x: (Double) -> Double, _ y: (Double) -> Double) -> [String] {
    let style = index == 0 ? " ours" : ""
    let path = line.points.map { "\(Markup.number(x($0.x))),\(Markup.number(y($0.y)))" }.joined(separator: " ")
    let dots = line.points.map { Markup.dot(x: x($0.x), y: y($0.y), radius: 3, style: "dot\(style)") }
    let label =
      lines.count > 1
      ? [Markup.text(line.label, x: Self.left + Double(index) * 130, y: 12, style: "key\(style)")] : []
    return ["<polyline points=\"\(path)\" class=\"line\(style)\"/>"] + dots + label
  }

  /// The next of 1, 2, 5, 10, 20 …
  private static func ceiling(_ value: Double) -> Double {
    var step = 0.001
    while true {
      for factor in [1.0, 2, 5] where step * factor >= value { return step * factor }
      step *= 10
    }
  }
}
