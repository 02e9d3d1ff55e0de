/// Small sums of money as JSON numbers.
public enum Decimal {
  /// Without an exponent, to a ten-thousandth of a millionth: `0.0000458`.
  public static func text(_ value: Double) -> String {
    guard value.isFinite, value >= 0, value < 1e8 else { return "0" }
    let scaled = UInt64((value * 1e10).rounded())
    let (whole, part) = scaled.quotientAndRemainder(dividingBy: 10_000_000_000)
    guard part > 0 else { return String(whole) }
    var digits = String(part)
    digits = String(repeating: "0", count: 10 - digits.count) + digits
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }
}
