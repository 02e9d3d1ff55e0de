import Streaming

/// One model's line of the comparison.
struct ComparisonRow {
  let provider: String
  let model: String
  let price: Price?
  /// The median of the runs that went well; nil: none did.
  var measurement: Measurement?
  /// Runs that went well.
  var runs = 0
  /// Why there is no measurement, or why it is of fewer runs than were asked for.
  var problem: String?

  static let titles = [
    "Provider", "Model", "Cost/MTok", "Time to first token", "Total time", "Tokens/s", "Cost of the run",
    "Remark",
  ]

  var cells: [String] {
    let figures = [
      measurement?.firstToken.map { Self.milliseconds($0.milliseconds) },
      measurement.map { "\(Self.fixed($0.total.seconds, 2)) s" },
      measurement?.tokensPerSecond.map { Self.fixed($0, 1) },
      measurement?.cost.map { "$\(Decimal.text($0))" },
    ]
    return [provider, model, price.map(Self.dollars) ?? "–"] + figures.map { $0 ?? "–" } + [problem ?? ""]
  }

  /// As JSON; a figure that is not known is null.
  func write(to json: inout JSONBuilder) {
    json.object {
      $0.string("provider", provider)
      $0.string("model", model)
      $0.name("price_per_mtok")
      if let price {
        $0.object {
          $0.raw("prompt", Decimal.text(price.prompt).utf8)
          $0.raw("cached", Decimal.text(price.cached).utf8)
          $0.raw("completion", Decimal.text(price.completion).utf8)
        }
      } else {
        $0.raw("null".utf8)
      }
      $0.raw("ttft_ms", Self.number(measurement?.firstToken?.milliseconds))
      $0.raw("total_ms", Self.number(measurement?.total.milliseconds))
      $0.raw("completion_tokens", (measurement?.completionTokens.map(String.init) ?? "null").utf8)
      $0.raw("tokens_per_s", Self.number(measurement?.tokensPerSecond))
      $0.raw("cost_usd", (measurement?.cost.map(Decimal.text) ?? "null").utf8)
      $0.raw("runs", "\(runs)".utf8)
      $0.name("problem")
      if let problem { $0.string(problem) } else { $0.raw("null".utf8) }
    }
  }

  private static func number(_ value: Double?) -> String.UTF8View { (value.map { fixed($0, 1) } ?? "null").utf8 }

  private static func dollars(_ price: Price) -> String {
    let (prompt, completion) = (fixed(price.prompt, 2), fixed(price.completion, 2))
    return prompt == completion ? "$\(prompt)" : "$\(prompt) in, $\(completion) out"
  }

  private static func milliseconds(_ value: Double) -> String {
    value < 10 ? "\(fixed(value, 1)) ms" : "\(fixed(value, 0)) ms"
  }

  /// With so many digits behind the point.
  static func fixed(_ value: Double, _ digits: Int) -> String {
    let unit = (0..<digits).reduce(1) { power, _ in power * 10 }
    let scaled = Int((min(max(value, 0), 1e12) * Double(unit)).rounded())
    guard digits > 0 else { return String(scaled) }
    let part = String(scaled % unit)
    return "\(scaled / unit).\(String(repeating: "0", count: digits - part.count))\(part)"
  }
}
