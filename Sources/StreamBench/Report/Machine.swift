import CLinux
import Foundation

/// What the figures were measured on.
struct Machine: Codable {
  var processor: String
  var cores: Int
  var kernel: String
  var memoryMB: Int
  var nginx: String
  var libcurl: String
  var swift: String

  var summary: String {
    "\(cores) cores of \(processor), \(memoryMB) MB, Linux \(kernel), nginx \(nginx), libcurl \(libcurl), Swift \(swift)"
  }

  static func current() -> Machine {
    let processor = TextFile.read("/proc/cpuinfo").split(separator: "\n").first { $0.hasPrefix("model name") }
    let memory = TextFile.read("/proc/meminfo").split(separator: "\n").first?.split(separator: " ").dropFirst().first
    return Machine(
      processor: processor?.split(separator: ": ").last.map(String.init) ?? "unknown",
      cores: Int(sheep_cores()),
      kernel: TextFile.read("/proc/sys/kernel/osrelease").trimmingCharacters(in: .whitespacesAndNewlines),
      memoryMB: (memory.flatMap { Int($0) } ?? 0) / 1024,
      nginx: version("nginx", [WebServer.program ?? "nginx", "-v"]),
      libcurl: libcurl,
      swift: compiler)
  }

  /// As its header tells, which the worker was built with: asking the library would mean to link it.
  private static var libcurl: String {
    for folder in ["/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu", "/usr/include"] {
      let lines = TextFile.read("\(folder)/curl/curlver.h").split(separator: "\n")
      if let line = lines.first(where: { $0.hasPrefix("#define LIBCURL_VERSION \"") }) {
        return String(line.split(separator: "\"")[1])
      }
    }
    return "unknown"
  }

  private static var compiler: String {
    #if compiler(>=6.4)
      "6.4 or later"
    #elseif compiler(>=6.3)
      "6.3"
    #else
      "6.2"
    #endif
  }

  private static func version(_ name: String, _ command: [String]) -> String {
    guard let folder = try? TemporaryFolder() else { return "unknown" }
    defer { folder.remove() }
    let log = "\(folder.path)/version"
    guard let process = try? ChildProcess(name, command, log: log), (try? process.wait()) == 0 else { return "unknown" }
    // As in "nginx version: nginx/1.22.1".
    let words = TextFile.read(log).split { $0 == "/" || $0 == "\n" }
    return words.count > 1 ? String(words[1]) : "unknown"
  }
}
