/// How a process ended.
enum ProcessEnd: Equatable, CustomStringConvertible {
  case exited(status: Int32)
  case signalled(Int32)

  /// - Parameter status: as wait(2) has it, whose macros Swift does not see.
  init(waitStatus status: Int32) {
    self = status & 0x7F == 0 ? .exited(status: status >> 8 & 0xFF) : .signalled(status & 0x7F)
  }

  var description: String {
    switch self {
    case .exited(let status): "exit status \(status)"
    case .signalled(let signal): "ended by signal \(signal)"
    }
  }
}
