import Foundation
import Glibc

/// The epoll instances of some processes, and how evenly descriptors lie on them.
///
/// To find them takes a look at every descriptor: do so before there are thousands.
struct EventLoops: Sendable {
  private let files: [String]

  init(of processes: [pid_t]) {
    files = processes.flatMap { process in
      let folder = "/proc/\(process)/fd"
      let numbers = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      return numbers.compactMap { number in
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(number)")) == "anon_inode:[eventpoll]"
          ? "/proc/\(process)/fdinfo/\(number)" : nil
      }
    }
  }

  /// How many descriptors each of them watches: proc(5) has a line that begins with `tfd:` for each. Milliseconds, where
  /// there are thousands.
  var descriptors: [Int] {
    files.map { file in
      TextFile.read(file).utf8.split(separator: UInt8(ascii: "\n")).count { $0.starts(with: "tfd:".utf8) }
    }
  }

  /// Descriptors of the most loaded of so many workers over an even share of them: 1 is even, and as much as there are
  /// workers where one has all. Nil: nobody has any.
  ///
  /// - Parameter loops: of all loops; those of the workers are the largest.
  static func spread(_ loops: [Int], workers: Int) -> Double? {
    // One that idles is not left out: it counts as none.
    let largest = loops.sorted(by: >).prefix(workers)
    guard let most = largest.first, most > 0 else { return nil }
    return Double(most) * Double(workers) / Double(largest.reduce(0, +))
  }
}
