// What the lifecycle is told, and what it tells.
extension Lifecycle {
  /// How the provider's reply came to its end.
  public enum UpstreamEnd: Equatable, Sendable {
    /// The body ended as HTTP says it must.
    case complete
    /// The connection broke, or ended inside the body.
    case brokenOff
    /// What came is no HTTP response.
    case noResponse
    /// No connection came about; why.
    case unreachable(String)
    case connectTimedOut
    /// This process has no descriptor left for a connection.
    case noDescriptor
  }

  /// What came of bytes from the provider.
  public struct Heard {
    public var action = Action.nothing
    /// Tokens that were in them.
    public var tokens = 0
    /// When the exchange began, or had its turn.
    public var startedAt: Instant
    /// So much waits that it should be sent before more is read.
    public var isBurst = false
  }

  public enum Action: Equatable {
    case nothing
    /// Something waits in the buffer.
    case send
    /// The same, and nothing will follow it: the provider is no longer needed.
    case finish
    /// The client takes nothing: cut it off. The provider is no longer needed.
    case abandon
    /// The attempt has failed before any output (`failedAttempt`), and its provider is no longer needed. What follows is
    /// the loop's choice (`Attempts`): `begin`, `wait` or `fail`.
    case attemptFailed
    /// The wait is over: `begin` the next attempt.
    case attemptDue
  }

  public enum Outcome: Equatable, Sendable {
    case done(FinishReason)
    indirect case failed(Failure)
    case clientLeft
    case clientStalled

    /// `done`, the failure's type, `client_left` or `client_stalled`: as logs and figures tell it.
    public var name: String {
      switch self {
      case .done: "done"
      case .failed(let failure): failure.kind.rawValue
      case .clientLeft: "client_left"
      case .clientStalled: "client_stalled"
      }
    }
  }
}
