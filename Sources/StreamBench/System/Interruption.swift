import Glibc
import Synchronization

/// INT, TERM and HUP end a run in order: whoever waits asks here, and what was started is ended on the way out.
enum Interruption {
  struct Interrupted: Error {
    let signal: Int32
  }

  private static let received = Atomic<Int32>(0)

  static func install() {
    // Made here, as its first use must not lie in the handler.
    received.store(0, ordering: .relaxed)
    for number in [SIGINT, SIGTERM, SIGHUP] {
      signal(number) { Interruption.received.store($0, ordering: .relaxed) }
    }
    // A peer that is gone shows as EPIPE where it is written to.
    signal(SIGPIPE, SIG_IGN)
  }

  static func check() throws(Interrupted) {
    let signal = received.load(ordering: .relaxed)
    if signal != 0 { throw Interrupted(signal: signal) }
  }
}
