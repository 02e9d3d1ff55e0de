// Between whom a generation is.
extension Lifecycle {
  /// What every answer to the request says, whoever speaks.
  public struct Subject: Sendable {
    public var requestID: String
    /// Header fields: the request's id, what CORS asks for.
    public var fields: [(name: String, value: String)]

    public init(requestID: String, fields: [(name: String, value: String)]) {
      self.requestID = requestID
      self.fields = fields
    }
  }

  /// Who is asked in one attempt. One for all who ask it.
  public final class Speaker: Sendable {
    /// `provider/model`, as resolved.
    public let model: String
    public let provider: String
    public let price: Price?
    /// What must never come back: the provider's keys.
    public let secrets: [String]

    public init(model: String, provider: String, price: Price?, secrets: [String]) {
      self.model = model
      self.provider = provider
      self.price = price
      self.secrets = secrets
    }
  }
}
