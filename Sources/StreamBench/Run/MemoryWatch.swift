import Glibc

/// The resident memory of a process and its children over the time of a load.
struct MemoryWatch {
  private let process: pid_t?
  private var family: ProcessFamily?
  private var looks = 0
  /// Before the load.
  private(set) var first = 0
  private(set) var peak = 0

  /// - Parameter process: nil: there is nothing to watch.
  init(_ process: pid_t?) {
    self.process = process
    look()
    first = peak
  }

  mutating func look() {
    guard let process else { return }
    // Hundreds of children cost more to find than to look at, and rarely change.
    if looks % 10 == 0 { family = ProcessFamily(root: process) }
    looks += 1
    peak = max(peak, family?.residentBytes ?? 0)
  }
}
