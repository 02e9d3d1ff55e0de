import Streaming
import Testing

struct AcceptTests {
  private let prometheus =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
  private let chromium = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"

  @Test func `Prometheus is given OpenMetrics, and a browser a page`() {
    #expect(Accept(prometheus).prefers("application/openmetrics-text", to: "text/plain"))
    #expect(Accept(chromium).prefers("text/html", to: "text/plain"))
  }

  @Test(arguments: [nil, "", "*/*", "text/*", "text/plain", "application/json", ";;,,;q=", "text/htmlx"])
  func `who does not name a type does not prefer it`(header: String?) {
    #expect(!Accept(header).prefers("text/html", to: "text/plain"))
  }

  @Test func `the greater quality decides, and a quality of 0 refuses`() {
    #expect(!Accept("text/html;q=0.5, text/plain").prefers("text/html", to: "text/plain"))
    #expect(Accept("text/plain;q=0.5, text/html;q=0.6").prefers("text/html", to: "text/plain"))
    #expect(!Accept("text/html;q=0").prefers("text/html", to: "text/plain"))
    #expect(!Accept("text/html;q=much").prefers("text/html", to: "text/plain"))
  }

  @Test func `neither case nor spaces matter`() {
    #expect(Accept(" TEXT/HTML ; Q=0.9 ").prefers("text/html", to: "text/plain"))
  }
}
