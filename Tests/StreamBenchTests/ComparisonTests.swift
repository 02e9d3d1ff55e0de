import Foundation
import Testing

@testable import StreamBench

struct ComparisonTests {
  typealias Change = Comparison.Change

  @Test(arguments: [
    (1.0, 1.1, "(+10 %)"), (1, 0.5, "(−50 %)"), (200, 201, "(+0.5 %)"), (10, 10, "(0.0 %)"), (-10, -5, "(+50 %)"),
    (0, 0, "(0.0 %)"), (0, 1, "(was 0)"), (1000, 2500, "(+150 %)"),
  ])
  func `a change is told in percent of the earlier value`(earlier: Double, now: Double, text: String) {
    #expect(Change(from: earlier, to: now).text == text)
  }

  @Test func `without an earlier value there is no change`() {
    #expect(Change(from: nil, to: 1) == .unknown && Change.unknown.text == "")
  }

  @Test func `more is worse where less is better, beyond a tenth`() {
    #expect(Change(from: 1, to: 1.2).isWorse(.lower) && !Change(from: 1, to: 0.8).isWorse(.lower))
    #expect(Change(from: 1, to: 0.8).isWorse(.higher) && !Change(from: 1, to: 1.2).isWorse(.higher))
    #expect(!Change(from: 1, to: 1.09).isWorse(.lower) && !Change(from: 1, to: 2).isWorse(.neither))
    #expect(Change(from: 0, to: 1).isWorse(.lower))
  }

  private func results(ratio: Double, quick: Bool = false, processor: String = "P", labels: [String] = [""]) -> Results
  {
    let machine = Machine(
      processor: processor, cores: 2, kernel: "6", memoryMB: 1, nginx: "1", libcurl: "7", swift: "6")
    let rows = labels.map { PhaseResult.Row(label: $0, figures: [Figure(.relayToNginx, ratio), Figure(.lost, 0)]) }
    return Results(
      date: "2026-01-01T00:00:00Z", isQuick: quick, machine: machine,
      contenders: [
        ContenderResult(name: "sheepfcgi", title: "SheepFCGI", phases: [PhaseResult(phase: .paced, rows: rows)]),
        ContenderResult(name: "go", title: "Go", missing: "no Go compiler: apt-get install golang-go"),
      ])
  }

  @Test func `the table has the change behind the figure`() {
    let text = TextReport(results(ratio: 0.9), comparedTo: results(ratio: 0.6)).text
    #expect(text.contains("0.90 (+50 %) worse"))
  }

  @Test func `rows are compared by their labels`() {
    let comparison = Comparison(to: results(ratio: 1, labels: ["100", "500"]))
    let figure = Figure(.relayToNginx, 2)
    #expect(comparison.change(figure, of: "sheepfcgi", in: .paced, row: "500") == .relative(1))
    #expect(comparison.change(figure, of: "sheepfcgi", in: .paced, row: "900") == .unknown)
    #expect(comparison.change(figure, of: "node", in: .paced, row: "500") == .unknown)
  }

  @Test func `runs that do not compare well are said not to`() {
    let text = TextReport(results(ratio: 1), comparedTo: results(ratio: 1, quick: true, processor: "Q")).text
    #expect(text.contains("a quick one") && text.contains("another machine"))
  }

  @Test func `a run that was interrupted says so, and where`() {
    var run = results(ratio: 1)
    run.interruptedAt = "sheepfcgi, idle"
    for text in [TextReport(run).text, Page(run).html] {
      #expect(text.contains(", interrupted") && text.contains("interrupted at sheepfcgi, idle"))
    }
    #expect(TextReport(results(ratio: 1), comparedTo: run).text.contains("one of the two runs was interrupted"))
  }

  @Test func `streams that had not ended are shown, and are no fault`() {
    var run = results(ratio: 1)
    run.contenders[0].phases[0].rows = [PhaseResult.Row(figures: [Figure(.unfinished, 7), Figure(.failed, 2)])]
    #expect(run.contenders[0].faults == 2)
    #expect(TextReport(run).table(.paced)?.titles.contains("unfinished, streams") == true)
  }

  @Test func `what was missing is in the tables and on the page`() {
    for text in [TextReport(results(ratio: 1)).text, Page(results(ratio: 1)).html] {
      #expect(text.contains("Go was not measured: no Go compiler: apt-get install golang-go"))
    }
  }

  @Test func `results survive their file`() throws {
    let original = results(ratio: 0.5)
    let data = try JSONEncoder().encode(original)
    let read = try JSONDecoder().decode(Results.self, from: data)
    #expect(TextReport(read).text == TextReport(original).text)
    #expect(String(decoding: data, as: UTF8.self).contains("relay_to_nginx"))
  }

  @Test func `the page needs nothing from elsewhere, and nothing in it is taken for markup`() {
    var run = results(ratio: 0.5)
    run.contenders[0].title = "<b>&"
    let html = Page(run).html
    #expect(html.contains("<svg") && html.contains("prefers-color-scheme: dark"))
    #expect(!html.contains("http:") && !html.contains("src=") && !html.contains("@import") && !html.contains("<b>"))
  }
}
