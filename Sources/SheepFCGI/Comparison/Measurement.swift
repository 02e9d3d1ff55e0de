import Streaming

/// What one run of a model took, or the median of several.
struct Measurement {
  /// Nil: the answer was empty.
  var firstToken: Duration?
  var total: Duration
  /// The provider's own figure; nil where it gives none.
  var completionTokens: Int?
  /// US dollars; nil where the price or the usage is unknown.
  var cost: Double?

  /// From the first token to the last.
  var tokensPerSecond: Double? {
    guard let firstToken, let completionTokens, completionTokens > 1, total > firstToken else { return nil }
    return Double(completionTokens - 1) / (total - firstToken).seconds
  }

  /// Each figure's own median, over the runs that have it.
  init(medianOf runs: [Measurement]) {
    firstToken = Self.median(runs.compactMap(\.firstToken))
    total = Self.median(runs.map(\.total)) ?? .zero
    completionTokens = Self.median(runs.compactMap(\.completionTokens))
    cost = Self.median(runs.compactMap(\.cost))
  }

  init(firstToken: Duration?, total: Duration, completionTokens: Int?, cost: Double?) {
    self.firstToken = firstToken
    self.total = total
    self.completionTokens = completionTokens
    self.cost = cost
  }

  /// Of an even number the lower of the two in the middle: a figure that was really measured.
  private static func median<Figure: Comparable>(_ figures: [Figure]) -> Figure? {
    figures.isEmpty ? nil : figures.sorted()[(figures.count - 1) / 2]
  }
}

extension Duration {
  var seconds: Double { Double(nanoseconds) / 1e9 }
  var milliseconds: Double { Double(nanoseconds) / 1e6 }
}
