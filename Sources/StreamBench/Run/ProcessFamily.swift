import Foundation
import Glibc
import Streaming

/// A process with its children and theirs, as they are when this is made.
struct ProcessFamily {
  private let members: [pid_t]

  var count: Int { members.count }

  init(root: pid_t) {
    var members = [root]
    var index = 0
    while index < members.count {
      members += Self.children(of: members[index])
      index += 1
    }
    self.members = members
  }

  /// Processor time of each member.
  struct Usage {
    fileprivate var byProcess: [pid_t: Duration] = [:]

    /// What was used since `earlier`. A member that ended in between takes its share with it.
    func since(_ earlier: Usage) -> Duration {
      byProcess.reduce(.zero) { $0 + $1.value - (earlier.byProcess[$1.key] ?? .zero) }
    }
  }

  var usage: Usage {
    var usage = Usage()
    for member in members { usage.byProcess[member] = Clock.cpu(of: member) }
    return usage
  }

  /// Resident memory. Of several processes, a page that they share counts once.
  var residentBytes: Int {
    members.reduce(0) { sum, member in
      let proportional = members.count > 1 ? Self.proportionalBytes(member) : nil
      return sum + (proportional ?? Self.residentBytes(of: member))
    }
  }

  private static func residentBytes(of process: pid_t) -> Int {
    let pages = TextFile.read("/proc/\(process)/statm").split(separator: " ").dropFirst().first.flatMap { Int($0) }
    return (pages ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
  }

  /// proc(5), smaps_rollup: a page that so many processes share is that part of each. Nil: the kernel does not tell.
  private static func proportionalBytes(_ process: pid_t) -> Int? {
    let line = TextFile.read("/proc/\(process)/smaps_rollup").split(separator: "\n").first { $0.hasPrefix("Pss:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1024 }
  }

  /// Its epoll instances.
  var eventLoops: EventLoops { EventLoops(of: members) }

  private static func children(of process: pid_t) -> [pid_t] {
    // Each thread has the list of those that it started.
    let threads = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")) ?? []
    return threads.flatMap { thread in
      TextFile.read("/proc/\(process)/task/\(thread)/children").split(whereSeparator: \.isWhitespace)
        .compactMap { pid_t($0) }
    }
  }
}
