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
    let isTenth = looks % 10 == 0
    looks += 1
    if isTenth { family = ProcessFamily(root: process) }
    // To find hundreds of children, and to look at them, costs what would be missing in the measurement.
    guard let family, isTenth || family.count < 16 else { return }
    peak = max(peak, family.residentBytes)
  }
}
