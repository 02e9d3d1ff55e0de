import NIOCore
import NIOPosix

/// Gives the floods of one event loop a turn each, and then the loop's sockets theirs: NIO runs tasks until none is due
/// before it looks at a socket again, so floods that queued themselves would keep it from ever doing so.
///
/// Bound to its event loop.
final class FloodTurns {
  /// Each thread gets at its own alone.
  private nonisolated(unsafe) static let ofLoop = ThreadSpecificVariable<FloodTurns>()
  /// In which no task is due. Long enough that it is not over when NIO looks, on a slow machine too.
  private static let pause = TimeAmount.microseconds(200)

  private let eventLoop: any EventLoop
  private var waiting: [ReplySender] = []
  private var isScheduled = false

  private init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  /// Those of the loop that this is called on.
  static func current(_ eventLoop: any EventLoop) -> FloodTurns {
    if let turns = ofLoop.currentValue { return turns }
    let turns = FloodTurns(eventLoop)
    ofLoop.currentValue = turns
    return turns
  }

  /// Its `takeTurn` will be called, once.
  func add(_ sender: ReplySender) {
    waiting.append(sender)
    schedule()
  }

  private func schedule() {
    guard !isScheduled, !waiting.isEmpty else { return }
    isScheduled = true
    let round = Round(turns: NIOLoopBound(self, eventLoop: eventLoop))
    // It fails only where the loop is at its end.
    _ = try? eventLoop.scheduleCallback(in: Self.pause, handler: round)
  }

  private func run() {
    let senders = waiting
    waiting = []
    for sender in senders { sender.takeTurn() }
    // Only now, as the turns take longer than the pause.
    isScheduled = false
    schedule()
  }

  private struct Round: NIOScheduledCallbackHandler, Sendable {
    let turns: NIOLoopBound<FloodTurns>

    func handleScheduledCallback(eventLoop: some EventLoop) {
      turns.value.run()
    }
  }
}
