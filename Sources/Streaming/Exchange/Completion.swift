/// What the end of a whole answer tells.
public struct Completion: Equatable, Sendable {
  /// `provider/model`, as resolved.
  public var model: String
  public var finishReason: FinishReason
  public var usage: Usage?
  /// US dollars; nil where the price or the usage is unknown.
  public var cost: Double?
  /// Milliseconds until the first token; nil where there was none.
  public var firstToken: Int?
  /// Milliseconds in all.
  public var duration: Int
  /// Events that were no JSON object.
  public var skipped: Int
}
