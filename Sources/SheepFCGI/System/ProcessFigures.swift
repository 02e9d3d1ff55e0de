import Glibc

/// What the kernel has counted of this process.
struct ProcessFigures: Sendable {
  let pid = getpid()
  let cpuSeconds: Double
  let residentBytes: Int
  let openDescriptors: Int
  /// RLIMIT_NOFILE.
  let descriptorBound: Int

  /// Of this moment. Some system calls; not for the token path.
  init() {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let microseconds = usage.ru_utime.tv_usec + usage.ru_stime.tv_usec
    cpuSeconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(microseconds) / 1e6
    residentBytes = Self.residentPages * Int(getpagesize())
    openDescriptors = Self.countDescriptors()
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    descriptorBound = Int(clamping: limit.rlim_cur)
  }

  /// The second number of /proc/self/statm (proc(5)).
  private static var residentPages: Int {
    guard let text = try? FileContents.read("/proc/self/statm", limitBytes: 4096) else { return 0 }
    let fields = text.split(separator: " ")
    return fields.count > 1 ? Int(fields[1]) ?? 0 : 0
  }

  private static func countDescriptors() -> Int {
    // Since Linux 6.2 the directory's size is their number; else each has to be counted.
    var status = stat()
    if stat("/proc/self/fd", &status) == 0, status.st_size > 0 { return Int(status.st_size) }
    guard let folder = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(folder) }
    var count = 0
    while readdir(folder) != nil { count += 1 }
    // `.`, `..`, and the folder itself.
    return max(0, count - 3)
  }

  /// Other processes of this program that have the socket on descriptor 0 there too: spawn-fcgi -F and multiwatch start
  /// several. Launchers keep it there as well, and do not count. Only processes of our own user can be seen.
  static func sharingDescriptorZero() -> Int {
    guard let socket = link("/proc/self/fd/0"), socket.hasPrefix("socket:"), let folder = opendir("/proc") else {
      return 0
    }
    defer { closedir(folder) }
    let own = (pid: "\(getpid())", name: name(of: "self"))
    var count = 0
    while let entry = readdir(folder) {
      let process = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard process.utf8.allSatisfy({ (48...57).contains($0) }), process != own.pid,
        link("/proc/\(process)/fd/0") == socket, name(of: process) == own.name
      else { continue }
      count += 1
    }
    return count
  }

  /// It stays the same when the file is replaced by a newer one.
  private static func name(of process: String) -> String? {
    try? FileContents.read("/proc/\(process)/comm", limitBytes: 4096)
  }

  private static func link(_ path: String) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return nil }
      let count = readlink(path, base, buffer.count)
      guard count > 0 else { return nil }
      return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
  }
}
