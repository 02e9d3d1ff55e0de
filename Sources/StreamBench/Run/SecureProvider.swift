import Foundation
import Streaming

/// An nginx between the relay and the mock provider, which speaks TLS: with HTTP/1.1 on one port, HTTP/2 on another, and
/// without TLS on a third, so that the difference is the encryption alone.
final class SecureProvider {
  enum Transport: String, CaseIterable {
    case plain, http1, http2

    var title: String {
      switch self {
      case .plain: "plain HTTP/1.1"
      case .http1: "TLS, HTTP/1.1"
      case .http2: "TLS, HTTP/2"
      }
    }
  }

  private let process: ChildProcess
  private let folder: String
  private let ports: [Transport: UInt16]
  private let statusPort: UInt16

  init(provider: UInt16, connections: Int, in folder: String) throws {
    let program = try WebServer.findProgram()
    self.folder = folder
    try Self.makeCertificate(in: folder)
    var ports: [Transport: UInt16] = [:]
    for transport in Transport.allCases { ports[transport] = try LocalSocket.freePort() }
    self.ports = ports
    statusPort = try LocalSocket.freePort()
    let file = "\(folder)/nginx.conf"
    try TextFile.write(Self.text(ports, statusPort, provider, connections, folder), to: file)
    let log = "\(folder)/nginx-error.log"
    process = try ChildProcess("nginx (TLS)", [program, "-p", folder, "-c", file, "-e", log], log: log)
    let start = Clock.now()
    while !LocalSocket.isListening(port: statusPort) {
      guard !process.hasEnded, start.duration(to: Clock.now()) < .seconds(10) else {
        process.end()
        throw BenchError("the nginx with TLS does not start: \(process.lastWords)")
      }
      Clock.sleep(.milliseconds(2))
    }
  }

  func end() {
    process.end()
  }

  /// Where the certificate is, which vouches for itself.
  var environment: [String: String] { ["SSL_CERT_FILE": "\(folder)/certificate.pem"] }

  /// A configuration of the worker that comes this way.
  func configuration(_ transport: Transport) throws -> String {
    let file = "\(folder)/\(transport.rawValue).yaml"
    let scheme = transport == .plain ? "http" : "https"
    try TextFile.write(
      """
      providers:
        mock:
          base_url: \(scheme)://127.0.0.1:\(ports[transport] ?? 0)/v1
          http: \(transport == .http2 ? "2" : "1.1")
          models: { mock: {} }

      """, to: file)
    return file
  }

  /// Connections that were accepted so far: each is a handshake. Those that asked are not in it.
  func accepted() throws -> Int {
    asked += 1
    let body = LocalSocket.get("/status", port: statusPort).map { String(decoding: $0, as: UTF8.self) } ?? ""
    let lines = body.split(separator: "\n")
    guard lines.count > 2, let count = lines[2].split(separator: " ").first.flatMap({ Int($0) }) else {
      throw BenchError("the nginx with TLS does not tell its connections; it needs the module stub_status")
    }
    return count - asked
  }

  private var asked = 0

  private static func makeCertificate(in folder: String) throws {
    let process = try ChildProcess(
      "openssl",
      [
        "/usr/bin/env", "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=stream-bench", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", "\(folder)/key.pem", "-out", "\(folder)/certificate.pem",
      ], log: "\(folder)/openssl.log")
    defer { process.end() }
    guard try process.wait() == 0 else {
      throw BenchError("openssl makes no certificate: \(process.lastWords); is the package openssl installed?")
    }
  }

  private static func text(
    _ ports: [Transport: UInt16], _ status: UInt16, _ provider: UInt16, _ connections: Int, _ folder: String
  ) -> String {
    let listens = ports.map { transport, port in
      "listen 127.0.0.1:\(port)\(transport == .plain ? "" : " ssl")\(transport == .http2 ? " http2" : "") backlog=8192;"
    }
    // Connections are closed by the worker, or by nobody: nginx's own bound on their requests would count as handshakes.
    return WebServer.configuration(
      connections: connections, in: folder,
      http: """
        keepalive_requests 1000000;
        ssl_certificate certificate.pem;
        ssl_certificate_key key.pem;
        ssl_session_cache shared:tls:10m;
        upstream provider { server 127.0.0.1:\(provider) max_fails=0; keepalive 512; }
        server { listen 127.0.0.1:\(status); location /status { stub_status; } }
        server {
          \(listens.joined(separator: "\n    "))
          location / {
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_buffering off;
          }
        }
        """)
  }
}
