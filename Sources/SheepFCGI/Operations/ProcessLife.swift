import Glibc

/// What a process does with itself when it is told to: read its settings again, make way for another process, drain,
/// end. Decides; `Server` acts.
struct ProcessLife {
  /// What it obeys.
  static let signals = [SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP]

  private(set) var stage = Stage.serving
  private var reading = Reading.done

  enum Stage: Equatable {
    case serving
    /// Serves, while the process that is to take its place starts.
    case startingReplacement
    /// Another process serves; this one ends with its last connection.
    case replaced
    /// Takes no new connection and ends with its last stream.
    case draining
    /// The streams were told to end.
    case ending
  }

  /// Whether the settings are being read.
  private enum Reading {
    case done
    case running
    /// They have changed since, so they are to be read again.
    case outdated
  }

  enum Action: Equatable {
    case nothing
    /// `reloadEnded` follows.
    case reload
    case replace
    /// There is one on its start, or no place for one; what to say of it.
    case refuse(String)
    case drain
    case endStreams
    case endNow
  }

  var isLeaving: Bool { [.draining, .ending].contains(stage) }

  mutating func receive(_ signal: Int32) -> Action {
    switch signal {
    case SIGHUP: return reload()
    case SIGUSR2: return replace()
    case SIGTERM, SIGINT:
      switch stage {
      case .ending: return .endNow
      case .draining:
        stage = .ending
        return .endStreams
      default: return drain()
      }
    default: return isLeaving ? .nothing : drain()
    }
  }

  private mutating func reload() -> Action {
    guard reading == .done else {
      reading = .outdated
      return .nothing
    }
    reading = .running
    return .reload
  }

  /// The settings have been read, or cannot be.
  mutating func reloadEnded() -> Action {
    let isOutdated = reading == .outdated
    reading = .done
    return isOutdated ? reload() : .nothing
  }

  private mutating func replace() -> Action {
    switch stage {
    case .serving:
      stage = .startingReplacement
      return .replace
    case .startingReplacement: return .refuse("the process that is to replace this one is still on its start")
    case .replaced: return .refuse("this process has been replaced; signal the new one")
    case .draining, .ending: return .refuse("this process is draining and is replaced no more; start a new one")
    }
  }

  private mutating func drain() -> Action {
    stage = .draining
    return .drain
  }

  /// The new process serves.
  mutating func replacementServes() {
    if stage == .startingReplacement { stage = .replaced }
  }

  /// It does not, and will not.
  mutating func replacementFailed() {
    if stage == .startingReplacement { stage = .serving }
  }
}
