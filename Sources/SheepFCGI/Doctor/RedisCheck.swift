import Glibc
import Streaming

/// Whether Redis takes our login and our script, at one of its addresses. Blocks for a few seconds at most.
struct RedisCheck {
  let findings: [Finding]

  private static let check = "redis.login"
  private static let patience = Duration.seconds(3)

  init(_ settings: Settings.Redis) {
    var faults: [String] = []
    for address in settings.addresses {
      guard let fault = Self.fault(address, settings.login) else {
        findings = [.ok(Self.check, settings.name, "it is there, and takes login and script")]
        return
      }
      faults.append(fault)
    }
    let then = settings.whenAway == .open ? "each process counts its limits alone" : "who has a limit is refused"
    let remedy = "start it, or put redis.url and password right; until then \(then) (redis.when_away)"
    findings = [.problem(Self.check, settings.name, faults.last ?? "it has no address", remedy)]
  }

  /// Nil: all is well.
  private static func fault(_ address: SocketAddress, _ login: RedisPipeline.Login) -> String? {
    let deadline = Clock.now() + patience
    do throws(SystemError) {
      let socket = StreamSocket(descriptor: try OutgoingSocket.connect(to: address))
      guard wait(for: Int16(POLLOUT), on: socket, until: deadline) else { return "it takes no connection" }
      if let reason = OutgoingSocket.failure(of: socket.descriptor.raw) { return reason }
      return converse(socket, RedisPipeline(login), until: deadline)
    } catch {
      return error.reason
    }
  }

  private static func converse(
    _ socket: borrowing StreamSocket, _ pipeline: RedisPipeline, until deadline: Instant
  ) -> String? {
    var pipeline = pipeline
    var input = [UInt8](repeating: 0, count: 4096)
    while true {
      if !pipeline.output.isEmpty {
        guard case .bytes(let count) = socket.write(pipeline.output.span) else {
          return "it closed the connection"
        }
        pipeline.output.removeFirst(count)
      }
      guard wait(for: Int16(POLLIN), on: socket, until: deadline) else { return "it does not answer" }
      guard case .bytes(let count) = socket.read(into: &input) else { return "it closed the connection" }
      do throws(RedisPipeline.Fault) {
        if try pipeline.receive(input.span.extracting(0..<count)).contains(.ready) { return nil }
      } catch {
        return error.description
      }
    }
  }

  private static func wait(for events: Int16, on socket: borrowing StreamSocket, until deadline: Instant) -> Bool {
    var polled = pollfd(fd: socket.descriptor.raw, events: events, revents: 0)
    return poll(&polled, 1, Int32(clamping: max(0, Clock.now().milliseconds(to: deadline)))) > 0
  }
}
