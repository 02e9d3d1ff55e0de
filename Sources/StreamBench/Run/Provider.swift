import Foundation
import Streaming

/// The mock provider that all relays call.
final class Provider {
  let process: ChildProcess
  let port: UInt16

  /// What it has counted since its start.
  struct Statistics: Decodable {
    let tokens: Int
    /// Requests that are being answered.
    let open: Int
  }

  init(program: String, in folder: TemporaryFolder) throws {
    let log = "\(folder.path)/mock-provider.log"
    process = try ChildProcess("mock-provider", [program, "--port", "0"], log: log)
    do {
      port = try Self.port(of: process)
    } catch {
      process.end()
      throw error
    }
  }

  private static func port(of process: ChildProcess) throws -> UInt16 {
    let start = Clock.now()
    while !process.hasEnded, start.duration(to: Clock.now()) < .seconds(20) {
      try Interruption.check()
      let text = TextFile.read(process.log)
      if text.hasSuffix("\n"), let port = text.split(separator: ":").last.flatMap({ UInt16($0.dropLast()) }) {
        return port
      }
      Clock.sleep(.milliseconds(2))
    }
    throw BenchError("the mock provider does not listen: \(process.lastWords)")
  }

  var family: ProcessFamily { ProcessFamily(root: process.pid) }

  func statistics() throws -> Statistics {
    guard let body = LocalSocket.get("/stats", port: port) else {
      throw BenchError("the mock provider does not answer on port \(port): \(process.lastWords)")
    }
    return try JSONDecoder().decode(Statistics.self, from: Data(body))
  }

  /// Waits until no request is open, and returns how long that took from `start` on; nil: some were, after so long.
  func waitUntilIdle(since start: Instant = Clock.now(), limit: Duration) throws -> Duration? {
    while true {
      let isIdle = try statistics().open == 0
      let waited = start.duration(to: Clock.now())
      if isIdle { return waited }
      guard waited < limit else { return nil }
      try Interruption.check()
      Clock.sleep(.milliseconds(1))
    }
  }
}
