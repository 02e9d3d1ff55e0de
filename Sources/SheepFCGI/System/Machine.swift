import CLinux

/// What this process has to run on.
enum Machine {
  /// Cores that it may use: what taskset, a cpuset or CPUAffinity= leaves of the machine's. At least 1.
  static var cores: Int { max(1, Int(sheep_cores())) }
}
