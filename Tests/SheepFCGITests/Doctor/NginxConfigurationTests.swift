import Testing

@testable import SheepFCGI

/// What nginx's own reader makes of a text, this one must make of it too.
@Suite struct NginxConfigurationTests {
  private func read(_ text: String) throws -> [NginxDirective] {
    try NginxConfiguration(text).directives
  }

  private func words(_ text: String) throws -> [String] {
    let directive = try #require(try read(text).first)
    return [directive.name] + directive.arguments
  }

  @Test func directivesHaveArgumentsAndBlocks() throws {
    let main = try read("user www-data;\nhttp {\n  server { listen 80; }\n}\n")
    #expect(main.map(\.name) == ["user", "http"])
    #expect(main[0].value == "www-data" && main[0].block == nil)
    let server = try #require(main[1].block?.blocks("server").first)
    #expect(server.last("listen")?.value == "80")
    #expect(server[0].place == "nginx.conf:3")
  }

  @Test(arguments: [
    ("a b  c\n\td;", ["a", "b", "c", "d"]),
    ("a 'b c' \"d;e\";", ["a", "b c", "d;e"]),
    (#"a "b\"c" 'd\'e' f\\g;"#, ["a", "b\"c", "d'e", #"f\g"#]),
    (#"location_ ~ \.php$;"#, ["location_", "~", #"\.php$"#]),
    ("a '#b' c#d; # e f;", ["a", "#b", "c#d"]),
    ("a ${b}c$d;", ["a", "${b}c$d"]),
    ("a '';", ["a", ""]),
    ("a 'two\nlines';", ["a", "two\nlines"]),
    ("a \"x\\ty\";", ["a", "x\ty"]),
    ("a é→;", ["a", "é→"]),
  ])
  func wordsQuotesAndEscapes(_ text: String, _ expected: [String]) throws {
    #expect(try words(text) == expected)
  }

  @Test func commentsHoldNothing() throws {
    #expect(try read("# a {\nb; # c; }\n#d").map(\.name) == ["b"])
  }

  @Test func aQuotedBraceOpensNoBlock() throws {
    let directives = try read("location ~ '^/a{2}$' { b; } c;")
    #expect(directives.map(\.name) == ["location", "c"])
    #expect(directives[0].arguments == ["~", "^/a{2}$"])
  }

  @Test func luaIsNoConfiguration() throws {
    let text = "location / { content_by_lua_block { if a then x = { \"}\" } end -- }\n } b 1; }"
    let block = try #require(try read(text).first?.block)
    #expect(block.map(\.name) == ["content_by_lua_block", "b"])
  }

  @Test(arguments: [
    ("http {", "a '{' has no '}'"), ("}", "'}' without its '{'"), ("a", "'a' has no ';'"),
    ("http { a }", "'a' has no ';'"), ("a 'b;", "a quote has no end"), (";", "';' without a directive"),
    ("{ }", "'{' without a directive"),
  ])
  func whatIsWrongIsToldWithItsPlace(_ text: String, _ why: String) {
    let error = #expect(throws: NginxConfiguration.Invalid.self) { try NginxConfiguration(text) }
    #expect(error?.description == "nginx.conf:1: \(why)")
  }

  @Test func anEmptyTextIsNone() {
    #expect(throws: NginxConfiguration.Invalid.self) { try NginxConfiguration(" \n") }
  }

  // MARK: nginx -T

  private static let dump = """
    nginx: the configuration file /etc/nginx/nginx.conf syntax is ok
    # configuration file /etc/nginx/nginx.conf:
    http {
      include conf.d/*.conf;
      include /etc/nginx/sites-enabled/*;
      include nothing/*.conf;
    }

    # configuration file /etc/nginx/conf.d/b.conf:
    b;
    # configuration file /etc/nginx/conf.d/a.conf:
    a;
    include params;
    # configuration file /etc/nginx/params:
    p;

    # configuration file /etc/nginx/sites-enabled/shop:
    server { include params; }
    # configuration file /etc/nginx/conf.d/deep/c.conf:
    c;
    """

  @Test func includesAreFoundAmongTheFilesOfTheOutput() throws {
    let http = try #require(try read(Self.dump).blocks("http").first)
    #expect(http.map(\.name) == ["a", "p", "b", "server"])
    #expect(http[3].block?.map(\.name) == ["p"])
    #expect(http[1].place == "/etc/nginx/params:1" && http[2].place == "/etc/nginx/conf.d/b.conf:1")
  }

  @Test func aFileThatIncludesItselfIsNoEndlessWork() {
    #expect(throws: NginxConfiguration.Invalid.self) {
      try NginxConfiguration("# configuration file /a:\nx { include /a; }\n")
    }
  }

  // MARK: Values

  @Test(arguments: [("1m", 1 << 20), ("16K", 16 << 10), ("8192", 8192), ("0", 0), ("2g", 2 << 30)])
  func sizes(_ text: String, _ bytes: Int) {
    #expect(NginxValue.bytes(text) == bytes)
  }

  @Test(arguments: [
    ("75s", 75_000), ("610", 610_000), ("1m30s", 90_000), ("1m 30s", 90_000), ("500ms", 500), ("1h", 3_600_000),
    ("1d", 86_400_000),
  ])
  func times(_ text: String, _ milliseconds: Int) {
    #expect(NginxValue.duration(text) == .milliseconds(milliseconds))
  }

  @Test(arguments: ["", "x", "1x", "m"])
  func whatIsNoValue(_ text: String) {
    #expect(NginxValue.duration(text) == nil)
    #expect(NginxValue.bytes(text) == nil)
  }
}
