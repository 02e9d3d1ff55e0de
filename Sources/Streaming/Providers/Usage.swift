/// What a provider counted, as it said last.
public struct Usage: Equatable, Sendable {
  /// Tokens of the prompt, cached ones included.
  public var promptTokens: Int
  /// Those of `promptTokens` that came from the provider's cache.
  public var cachedTokens: Int
  /// Tokens of the answer, thoughts included.
  public var completionTokens: Int
  /// The provider's own sum where it gives one.
  public var totalTokens: Int

  public init(promptTokens: Int, cachedTokens: Int = 0, completionTokens: Int, totalTokens: Int? = nil) {
    self.promptTokens = promptTokens
    self.cachedTokens = cachedTokens
    self.completionTokens = completionTokens
    let (sum, overflow) = promptTokens.addingReportingOverflow(completionTokens)
    self.totalTokens = totalTokens ?? (overflow ? .max : sum)
  }
}

/// US dollars for a million tokens.
public struct Price: Equatable, Sendable {
  public var prompt: Double
  public var cached: Double
  public var completion: Double

  public init(prompt: Double, cached: Double? = nil, completion: Double) {
    self.prompt = prompt
    self.cached = cached ?? prompt
    self.completion = completion
  }

  /// US dollars for what was used.
  public func cost(of usage: Usage) -> Double {
    let fresh = Double(usage.promptTokens - usage.cachedTokens) * prompt
    return (fresh + Double(usage.cachedTokens) * cached + Double(usage.completionTokens) * completion) / 1_000_000
  }
}
