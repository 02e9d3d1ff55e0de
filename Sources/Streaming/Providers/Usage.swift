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

  /// A count that sums cannot overflow with.
  static func sane(_ count: Int) -> Int { min(max(count, 0), 1_000_000_000_000) }

  /// Numbers that no model reaches are cut off, so that a provider's nonsense overflows no sum.
  public init(promptTokens: Int, cachedTokens: Int = 0, completionTokens: Int, totalTokens: Int? = nil) {
    self.promptTokens = Self.sane(promptTokens)
    self.cachedTokens = min(Self.sane(cachedTokens), self.promptTokens)
    self.completionTokens = Self.sane(completionTokens)
    self.totalTokens = totalTokens.map(Self.sane) ?? self.promptTokens + self.completionTokens
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
