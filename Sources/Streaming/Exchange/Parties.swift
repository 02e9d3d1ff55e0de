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

  /// Who is asked in one attempt.
  public struct Speaker: Sendable {
    /// `provider/model`, as resolved.
    public var model: String
    public var provider: String
    public var price: Price?
    /// What must never come back: the provider's keys.
    public var secrets: [String]

    public init(model: String, provider: String, price: Price?, secrets: [String]) {
      self.model = model
      self.provider = provider
      self.price = price
      self.secrets = secrets
    }
  }
}
