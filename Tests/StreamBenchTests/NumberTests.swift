import Testing

@testable import StreamBench

struct NumberTests {
  @Test(arguments: [
    (0.0, 2, "0.00"), (0.7049, 2, "0.70"), (999, 0, "999"), (1000, 0, "1,000"), (1234567.89, 1, "1,234,567.9"),
    (-1500, 0, "−1,500"), (-0.001, 1, "0.0"),
  ])
  func `numbers are rounded, with commas between thousands`(value: Double, digits: Int, text: String) {
    #expect(Number.text(value, digits: digits) == text)
  }

  @Test func `tables are Markdown, without the columns in which nothing stands`() {
    let table = TextTable(titles: ["", "a", "b"], rows: [["x", "–", "1"], ["longer", "–", "22"]])
    #expect(table.text == "|        |  b |\n|--------|---:|\n| x      |  1 |\n| longer | 22 |")
  }

  @Test(arguments: [
    ("http://127.0.0.1:8080/stream", 8080, "/stream"), ("http://localhost/", 80, "/"),
    ("http://10.0.0.1:1?a=b", 1, "/?a=b"),
  ])
  func `a target is an address, a port and a path`(text: String, port: Int, path: String) throws {
    let target = try Target(text)
    #expect(Int(target.port) == port && target.path == path)
  }

  @Test(arguments: [
    "https://127.0.0.1/", "127.0.0.1:80", "http://example.org/", "http://127.0.0.1:0/", "http://[::1]/",
  ])
  func `what is no target says what to write`(text: String) {
    #expect(throws: Target.Invalid.self) { try Target(text) }
  }
}
