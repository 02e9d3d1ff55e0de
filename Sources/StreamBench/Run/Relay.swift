import Glibc
import Streaming

/// A contender that runs and listens on its Unix socket.
final class Relay {
  struct Address {
    enum Speech: String, Decodable { case fastcgi, http }
    let socket: String
    let speaks: Speech
    /// SCRIPT_FILENAME, where the server runs files.
    let script: String?
  }

  let process: ChildProcess
  /// From when it was executed until it listened.
  let startTime: Duration

  init(_ contender: Contender, at address: Address, work: String, build: String, provider: UInt16) throws {
    unlink(address.socket)
    let startedAt = Clock.now()
    process = try ChildProcess(
      contender.name, contender.arguments(socket: address.socket),
      environment: contender.environment(socket: address.socket, work: work, build: build, provider: provider),
      log: "\(work)/\(contender.name).log")
    do {
      try Self.wait(for: process, address.socket, since: startedAt)
    } catch {
      process.end()
      throw error
    }
    startTime = startedAt.duration(to: Clock.now())
  }

  var family: ProcessFamily { ProcessFamily(root: process.pid) }

  /// Its processes, once there come no more: some serve before all are there.
  func settle() throws(Interruption.Interrupted) -> ProcessFamily {
    var family = family
    while true {
      try Interruption.check()
      Clock.sleep(.milliseconds(50))
      let next = self.family
      if next.count <= family.count { return next }
      family = next
    }
  }

  private static func wait(for process: ChildProcess, _ socket: String, since start: Instant) throws {
    while !LocalSocket.isListening(unix: socket) {
      try Interruption.check()
      if let status = process.exitStatus {
        throw BenchError("\(process.name) ended with \(status) before it listened: \(process.lastWords)")
      }
      guard start.duration(to: Clock.now()) < .seconds(60) else {
        throw BenchError("\(process.name) does not listen on \(socket) within a minute: \(process.lastWords)")
      }
      Clock.sleep(.microseconds(200))
    }
  }
}
