import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix

/// The listening socket and the event loops behind it.
struct Server {
  private let channel: any Channel

  /// Listens from here on.
  init(host: String, port: Int) throws {
    // More loops would only take the cores away from what is being measured.
    let loops = MultiThreadedEventLoopGroup(numberOfThreads: max(1, min(4, System.coreCount)))
    let statistics = Statistics()
    do {
      channel = try ServerBootstrap(group: loops)
        .serverChannelOption(.backlog, value: 65535)
        .serverChannelOption(.maxMessagesPerRead, value: 256)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withOutboundHeaderValidation: false)
            try channel.pipeline.syncOperations.addHandler(RequestHandler(statistics: statistics))
          }
        }
        .bind(host: host, port: port)
        .wait()
    } catch let error as IOError {
      throw ListenFailure(host: host, port: port, errnoCode: error.errnoCode)
    } catch {
      throw ListenFailure(host: host, port: port, errnoCode: nil)
    }
  }

  var url: String {
    let address = channel.localAddress
    let host = address?.ipAddress ?? "127.0.0.1"
    return "http://\(host.contains(":") ? "[\(host)]" : host):\(address?.port ?? 0)"
  }

  /// Returns only when the listening socket fails.
  func run() throws {
    try channel.closeFuture.wait()
  }
}

/// Why there is no listening socket.
struct ListenFailure: Error, CustomStringConvertible {
  let host: String
  let port: Int
  /// nil where the host's name led to no address.
  let errnoCode: CInt?

  var description: String {
    let place = "cannot listen on \(host), port \(port)"
    return switch errnoCode {
    case EADDRINUSE:
      "\(place): the port is in use. End the program that holds it (ss -ltnp 'sport = :\(port)' names it), "
        + "or take another with --port; --port 0 picks a free one."
    case EACCES:
      "\(place): ports below 1024 need privileges. Take another with --port."
    case EADDRNOTAVAIL:
      "\(place): this machine does not have that address. Take one of its own with --host."
    case let code?:
      "\(place): \(String(cString: strerror(code)))."
    case nil:
      "\(place): the host is unknown. Give an address of this machine with --host."
    }
  }
}
