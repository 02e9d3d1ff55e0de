/// Text inside HTML and SVG.
enum Markup {
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }

  /// A drawing of 360 units, about a pixel each on a telephone, with what it shows for those who do not see it.
  static func drawing(height: Double, describedAs description: String, _ elements: [String]) -> String {
    "<svg viewBox=\"0 0 360 \(number(height))\" role=\"img\" aria-label=\"\(escaped(description))\">"
      + elements.joined() + "</svg>"
  }

  /// - Parameter anchor: `start`, `middle` or `end`.
  static func text(_ text: String, x: Double, y: Double, anchor: String = "start", style: String = "") -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" class=\"\(style)\">\(escaped(text))</text>"
  }

  static func rectangle(x: Double, y: Double, width: Double, height: Double, style: String) -> String {
    "<rect x=\"\(number(x))\" y=\"\(number(y))\" width=\"\(number(max(width, 1)))\" height=\"\(number(height))\" "
      + "rx=\"2\" class=\"\(style)\"/>"
  }

  static func line(x1: Double, y1: Double, x2: Double, y2: Double, style: String) -> String {
    "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" class=\"\(style)\"/>"
  }

  static func dot(x: Double, y: Double, radius: Double, style: String) -> String {
    "<circle cx=\"\(number(x))\" cy=\"\(number(y))\" r=\"\(number(radius))\" class=\"\(style)\"/>"
  }

  /// A tenth of a unit is finer than a screen.
  static func number(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths < 0 ? "-" : "")\(abs(tenths) / 10).\(abs(tenths) % 10)"
  }
}
