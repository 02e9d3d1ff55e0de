import Glibc
import Streaming

/// The nginx in front of all relays: one worker, one configuration, of which only the relay's address differs.
final class WebServer {
  let process: ChildProcess
  let port: UInt16

  /// - Parameters:
  ///   - relay: nil: nginx alone.
  ///   - connections: that its worker may have, to both sides.
  init(
    relay: Relay.Address?, provider: UInt16, connections: Int, in folder: String
  ) throws {
    let program = try Self.findProgram()
    var attempts = 3
    while true {
      attempts -= 1
      let port = try LocalSocket.freePort()
      let file = "\(folder)/nginx.conf"
      try TextFile.write(Self.text(relay, provider, port, connections, folder), to: file)
      let log = "\(folder)/nginx-error.log"
      let process = try ChildProcess("nginx", [program, "-p", folder, "-c", file, "-e", log], log: log)
      if try Self.listens(process, port) {
        (self.process, self.port) = (process, port)
        return
      }
      process.end()
      // Somebody may have taken the port since we found it free.
      if attempts == 0 { throw BenchError("nginx does not start: \(process.lastWords)") }
    }
  }

  var family: ProcessFamily { ProcessFamily(root: process.pid) }

  static var program: String? {
    let folders = (getenv("PATH").map { String(cString: $0) } ?? "") + ":/usr/sbin:/usr/local/sbin"
    return folders.split(separator: ":").lazy.map { "\($0)/nginx" }.first { access($0, X_OK) == 0 }
  }

  static func findProgram() throws -> String {
    guard let program else { throw BenchError("there is no nginx; install the package nginx-light") }
    return program
  }

  private static func listens(_ process: ChildProcess, _ port: UInt16) throws -> Bool {
    let start = Clock.now()
    while !process.hasEnded, start.duration(to: Clock.now()) < .seconds(10) {
      try Interruption.check()
      // The master listens before it has a worker.
      if LocalSocket.isListening(port: port), ProcessFamily(root: process.pid).count > 1 { return !process.hasEnded }
      Clock.sleep(.milliseconds(2))
    }
    return false
  }

  /// A whole nginx.conf around what its http block has of its own: one worker, and everything below the folder.
  static func configuration(connections: Int, in folder: String, http: String) -> String {
    """
    daemon off;
    worker_processes 1;
    worker_rlimit_nofile \(connections + 64);
    pid nginx.pid;
    error_log \(folder)/nginx-error.log warn;
    \(getuid() == 0 ? "user root;" : "")
    events { worker_connections \(connections); }
    http {
      access_log off;
      client_body_temp_path tmp-body;
      fastcgi_temp_path tmp-fastcgi;
      proxy_temp_path tmp-proxy;
      scgi_temp_path tmp-scgi;
      uwsgi_temp_path tmp-uwsgi;
      fastcgi_read_timeout 300s;
      proxy_read_timeout 300s;
      send_timeout 300s;
      \(http)
    }

    """
  }

  private static func text(
    _ relay: Relay.Address?, _ provider: UInt16, _ port: UInt16, _ connections: Int, _ folder: String
  ) -> String {
    configuration(
      connections: connections, in: folder,
      http: """
        \(relay.map { "upstream relay { server unix:\($0.socket) max_fails=0; keepalive 512; }" } ?? "")
        upstream provider { server 127.0.0.1:\(provider) max_fails=0; keepalive 512; }
        server {
          listen 127.0.0.1:\(port) backlog=8192;
          location /v1/ { proxy_pass http://provider; \(proxy) }
          \(relay.map { "location / { \(pass($0)) }" } ?? "")
        }
        """)
  }

  private static let proxy = "proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;"

  private static func pass(_ relay: Relay.Address) -> String {
    switch relay.speaks {
    case .http: return "proxy_pass http://relay; \(proxy)"
    case .fastcgi:
      let script = relay.script.map { "fastcgi_param SCRIPT_FILENAME \($0);" } ?? ""
      return "fastcgi_pass relay; fastcgi_keep_conn on; fastcgi_buffering off; \(parameters) \(script)"
    }
  }

  /// As Debian's fastcgi_params has them, and what nginx/sheep_params adds.
  private static let parameters = [
    "QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type",
    "CONTENT_LENGTH $content_length", "SCRIPT_NAME $fastcgi_script_name", "REQUEST_URI $request_uri",
    "DOCUMENT_URI $document_uri", "SERVER_PROTOCOL $server_protocol", "REQUEST_SCHEME $scheme",
    "GATEWAY_INTERFACE CGI/1.1", "SERVER_SOFTWARE nginx", "REMOTE_ADDR $remote_addr", "REMOTE_PORT $remote_port",
    "SERVER_ADDR $server_addr", "SERVER_PORT $server_port", "SERVER_NAME $server_name", "HTTP_HOST $host",
    "PATH_INFO $uri", "REQUEST_ID $request_id",
  ].map { "fastcgi_param \($0);" }.joined(separator: " ")
}
