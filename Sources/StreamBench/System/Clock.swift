import Glibc
import Streaming

/// The machine's clocks.
enum Clock {
  static func now() -> Instant { read(CLOCK_MONOTONIC) ?? .past }

  /// What this process has used of the processor so far.
  static func ownCPU() -> Duration { read(CLOCK_PROCESS_CPUTIME_ID).map(Instant.past.duration) ?? .zero }

  /// The same of another process, to the nanosecond; nil: it is gone. Its children are not in it.
  static func cpu(of process: pid_t) -> Duration? {
    // clock_getcpuclockid(3), without its detour over a system call: the kernel's MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED).
    read(clockid_t(~process << 3 | 2)).map(Instant.past.duration)
  }

  static func sleep(_ duration: Duration) {
    usleep(UInt32(clamping: duration.nanoseconds / 1000))
  }

  private static func read(_ clock: clockid_t) -> Instant? {
    var time = timespec()
    guard clock_gettime(clock, &time) == 0 else { return nil }
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}

extension Duration {
  var seconds: Double { Double(nanoseconds) / 1e9 }
  var milliseconds: Double { Double(nanoseconds) / 1e6 }
  var microseconds: Double { Double(nanoseconds) / 1e3 }
}
