import CLinux
import Glibc

/// What the machine grants the process.
enum Machine {
  /// Cores that it may use: what taskset, a cpuset or CPUAffinity= leaves of the machine's. At least 1.
  static var cores: Int { max(1, Int(sheep_cores())) }

  /// Keys lie in the process's memory, and in every image of it.
  static func forbidCoreDumps() {
    // 0 would forbid files alone: a core_pattern that is a pipe, as systemd-coredump's, minds only the 1 (core(5)).
    var limit = rlimit(rlim_cur: 1, rlim_max: 1)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
  }
}
