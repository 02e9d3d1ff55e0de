import CLinux
import Glibc

/// Signals as something to read: blocked for the whole process, taken one by one by whoever polls.
struct SignalDescriptor: ~Copyable {
  private let owned: Descriptor

  /// Blocks the signals in this thread and in those that it starts from here on.
  init(_ signals: [Int32]) throws(SystemError) {
    var set = sigset_t()
    sigemptyset(&set)
    for signal in signals { sigaddset(&set, signal) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let raw = signalfd(-1, &set, Int32(SFD_CLOEXEC | SFD_NONBLOCK))
    guard raw >= 0 else { throw SystemError(errno, "create a signalfd") }
    owned = Descriptor(owning: raw)
  }

  var descriptor: Int32 { owned.raw }

  /// The next signal that has come; nil: none.
  borrowing func take() -> Int32? {
    var info = signalfd_siginfo()
    let size = MemoryLayout<signalfd_siginfo>.size
    return read(owned.raw, &info, size) == size ? Int32(info.ssi_signo) : nil
  }
}
