/// Writes metrics as Prometheus reads them: the text format 0.0.4, or OpenMetrics 1.0. Family after family, each with all of
/// its samples.
public struct ExpositionWriter {
  public enum Format: Sendable {
    case text
    case openMetrics

    public var contentType: String {
      switch self {
      case .text: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  public enum Kind: String, Sendable {
    case counter
    case gauge
    case histogram
    /// Constant labels.
    case info
  }

  public typealias Labels = [(name: String, value: String)]

  public private(set) var bytes: [UInt8] = []
  private let format: Format
  /// Of the family that is being written; with what its samples have behind it.
  private var sampleName = ""

  public init(_ format: Format) {
    self.format = format
    bytes.reserveCapacity(16 << 10)
  }

  /// Begins a family.
  /// - Parameters:
  ///   - name: without the `_total` or `_info` that its samples have.
  ///   - unit: with which the name must end; nil: it has none.
  ///   - help: one plain line, without quotes and backslashes.
  public mutating func family(_ kind: Kind, _ name: String, unit: String? = nil, _ help: String) {
    sampleName =
      switch kind {
      case .counter: name + "_total"
      case .info: name + "_info"
      case .gauge, .histogram: name
      }
    // Before OpenMetrics the family had its samples' name, and there was no type for constant labels.
    let title = format == .openMetrics ? name : sampleName
    let type = format == .text && kind == .info ? Kind.gauge : kind
    line("# HELP \(title) \(help)")
    line("# TYPE \(title) \(type.rawValue)")
    if let unit, format == .openMetrics { line("# UNIT \(title) \(unit)") }
  }

  public mutating func sample(_ labels: Labels, _ value: Int) {
    sample("", labels, String(value))
  }

  public mutating func sample(_ labels: Labels, _ value: Double) {
    sample("", labels, Self.text(value))
  }

  /// All samples of one histogram, in seconds.
  public mutating func sample(_ labels: Labels, _ histogram: LatencyHistogram) {
    for (bound, count) in histogram.cumulative {
      sample("_bucket", labels + [("le", Self.text(Double(bound) / 1e9))], String(count))
    }
    let count = String(histogram.count)
    sample("_bucket", labels + [("le", "+Inf")], count)
    sample("_sum", labels, Self.text(Double(histogram.sum) / 1e9))
    sample("_count", labels, count)
  }

  /// Nothing follows.
  public mutating func finish() {
    if format == .openMetrics { line("# EOF") }
  }

  private mutating func sample(_ suffix: String, _ labels: Labels, _ value: String) {
    bytes.append(sampleName)
    bytes.append(suffix)
    if !labels.isEmpty {
      var mark = UInt8(ascii: "{")
      for (name, value) in labels {
        bytes.append(mark)
        bytes.append(name)
        bytes.append("=\"")
        Self.append(value, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
        mark = UInt8(ascii: ",")
      }
      bytes.append(UInt8(ascii: "}"))
    }
    bytes.append(UInt8(ascii: " "))
    line(value)
  }

  private mutating func line(_ text: String) {
    bytes.append(text)
    bytes.append(UInt8(ascii: "\n"))
  }

  /// A label's value: both formats escape a backslash, a quote and a newline, and nothing else.
  private static func append(_ value: String, to bytes: inout [UInt8]) {
    for byte in value.utf8 {
      switch byte {
      case UInt8(ascii: "\\"): bytes.append("\\\\" as StaticString)
      case UInt8(ascii: "\""): bytes.append("\\\"" as StaticString)
      case UInt8(ascii: "\n"): bytes.append("\\n" as StaticString)
      default: bytes.append(byte)
      }
    }
  }

  /// With a point or an exponent also where it is whole: a bound's text is a label, which must be the same in both formats,
  /// and OpenMetrics asks for the point.
  private static func text(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    return value.isInfinite ? (value < 0 ? "-Inf" : "+Inf") : "\(value)"
  }
}
