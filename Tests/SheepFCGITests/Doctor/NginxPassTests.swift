import Testing

@testable import SheepFCGI

/// What leads to us, and what is in force there.
@Suite struct NginxPassTests {
  private func passes(_ http: String) throws -> [NginxPass] {
    NginxPass.all(in: try NginxConfiguration("http {\n\(http)\n}"))
  }

  @Test func theInnermostSettingCounts() throws {
    let pass = try #require(
      try passes(
        """
        fastcgi_read_timeout 10s; gzip on; fastcgi_buffering off;
        server { fastcgi_read_timeout 20s;
          location /a { location /a/b { fastcgi_read_timeout 30s; fastcgi_pass x; } gzip off; } }
        """
      ).first)
    #expect(pass.own("read_timeout")?.value == "30s")
    #expect(pass.directive("gzip")?.value == "off")
    #expect(!pass.isOn("buffering", unlessSet: true))
    #expect(pass.own("keep_conn") == nil)
    #expect(pass.location.pattern == "/a/b")
  }

  @Test func parametersOfALocationHideThoseAroundIt() throws {
    let found = try passes(
      """
      server { fastcgi_param A 1; fastcgi_param B 2;
        location /a { fastcgi_param C 3; fastcgi_pass x; }
        location /b { fastcgi_pass x; } }
      """)
    #expect(found.map(\.parameters) == [["C"], ["A", "B"]])
  }

  @Test func conditionsAndScgiAreSeenToo() throws {
    let found = try passes("server { location / { if ($x) { fastcgi_pass a; } } location /s { scgi_pass b; } }")
    #expect(found.map(\.target) == ["a", "b"] && found.map(\.wire) == [.fastcgi, .scgi])
    #expect(found[0].location.pattern == "/")
  }

  // MARK: Upstreams

  private func upstream(_ target: String, _ http: String = "") throws -> NginxUpstream {
    NginxUpstream(target, in: try NginxConfiguration("http { \(http) }"))
  }

  @Test func anUpstreamLeadsToEachOfItsServers() throws {
    let found = try upstream(
      "s", "upstream s { server unix:/run/a.sock; server 127.0.0.1:9000 weight=2; keepalive 8; keepalive_timeout 30s; }"
    )
    #expect(found.leads(to: .unix(path: "/run/a.sock")) && found.leads(to: .unix(path: "/var/run/a.sock")))
    #expect(found.leads(to: .tcp(host: "127.0.0.1", port: 9000)) && found.leads(to: .tcp(host: "0.0.0.0", port: 9000)))
    #expect(!found.leads(to: .unix(path: "/run/b.sock")) && !found.leads(to: .tcp(host: "127.0.0.1", port: 900)))
    #expect(found.keepalive == 8 && found.keepaliveTimeout == .seconds(30) && found.name == "s")
  }

  @Test(arguments: [
    ("unix:/run/a.sock", ListenAddress.unix(path: "/run/a.sock")),
    ("unix:/run/a.sock:", .unix(path: "/run/a.sock")),
    ("localhost:9000", .tcp(host: "127.0.0.1", port: 9000)),
    ("[::1]:9000", .tcp(host: "::1", port: 9000)),
    ("10.0.0.2:9000", .tcp(host: "10.0.0.2", port: 9000)),
  ])
  func anAddressLeadsToItself(_ target: String, _ address: ListenAddress) throws {
    let found = try upstream(target)
    #expect(found.leads(to: address) && found.keepalive == 0 && found.name == nil)
    #expect(found.keepaliveTimeout == .seconds(60))
  }

  // MARK: Locations

  private static let all = NginxLocation.routes.joined(separator: " ")
  private static let routed: [(arguments: String, routes: String)] = [
    ("/", all), ("/ai/", all), ("= /status", "/status"), ("=/status", "/status"),
    ("/v1/", "/v1/chat/completions /v1/models"),
    ("~ ^(?<sheep_path>/ping|/status|/metrics)$", "/ping /status /metrics"),
    ("~ ^/llm(?<p>/stream)$", "/stream"), ("~* ^/STREAM$", "/stream"), ("^~ /stream", "/stream /stream-backpressure"),
    ("~ ^/x(/v1/chat/completions)", "/v1/chat/completions"),
  ]

  @Test(arguments: routed)
  func routesOfALocation(_ example: (arguments: String, routes: String)) {
    let words = example.arguments.split(separator: " ").map(String.init)
    let routes = Set(example.routes.split(separator: " ").map(String.init))
    #expect(NginxLocation(arguments: words).routes == routes)
  }

  private func isClosed(_ server: String, path: String = "/status", pass index: Int = 0) throws -> Bool {
    NginxDoor(try passes("server { \(server) }")[index]).isClosed(for: path)
  }

  @Test(arguments: [
    "location / { deny all; fastcgi_pass x; }",
    "allow 127.0.0.1; deny all; location / { fastcgi_pass x; }",
    "location / { auth_basic here; fastcgi_pass x; }",
    "location / { internal; fastcgi_pass x; }",
    "listen 127.0.0.1:80; listen unix:/s; listen [::1]:80; location / { fastcgi_pass x; }",
    "location / { fastcgi_pass x; } location = /status { deny all; }",
    "location / { fastcgi_pass x; } location /sta { return 403; }",
    "location / { fastcgi_pass x; } location ~ ^/status$ { return 403; }",
    "location ~ ^/s { fastcgi_pass x; } location ^~ /status { return 403; }",
  ])
  func closedDoors(_ server: String) throws {
    #expect(try isClosed(server))
  }

  @Test(arguments: [
    "location / { fastcgi_pass x; }",
    "location / { allow all; deny all; fastcgi_pass x; }",
    "deny all; location / { allow all; fastcgi_pass x; }",
    "auth_basic here; location / { auth_basic off; fastcgi_pass x; }",
    "listen 80; listen 127.0.0.1:81; location / { fastcgi_pass x; }",
    "location = /status { fastcgi_pass x; } location / { deny all; }",
    "location ~ ^/status { fastcgi_pass x; } location ~ ^/sta { deny all; }",
    "location ^~ /status { fastcgi_pass x; } location ~ ^/status { deny all; }",
  ])
  func openDoors(_ server: String) throws {
    #expect(try !isClosed(server))
  }
}
