import Foundation

/// Figures as they are read.
enum Number {
  /// With so many digits behind the point, and commas between thousands.
  static func text(_ value: Double, digits: Int) -> String {
    let rounded = String(format: "%.\(digits)f", abs(value))
    let parts = rounded.split(separator: ".")
    var whole = ""
    for (index, digit) in parts[0].enumerated() {
      if index > 0, (parts[0].count - index) % 3 == 0 { whole += "," }
      whole.append(digit)
    }
    let sign = value < 0 && rounded.contains { $0 != "0" && $0 != "." } ? "−" : ""
    return sign + whole + (parts.count > 1 ? "." + parts[1] : "")
  }

  static func text(_ figure: Figure) -> String { text(figure.value, digits: figure.quantity.digits) }
}
