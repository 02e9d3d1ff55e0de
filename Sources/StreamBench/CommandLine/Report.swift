import ArgumentParser
import Foundation

/// `stream-bench report`: tables and page again, from a run that was saved.
struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The tables and the page of a saved run.")

  @Argument(help: "results.json of a run.")
  var results: String

  @Option(help: ArgumentHelp("results.json of an earlier run: the tables say what has changed.", valueName: "file"))
  var compare: String?

  @Option(help: ArgumentHelp("Where report.html goes. (default: beside the results)", valueName: "directory"))
  var output: String?

  func run() throws {
    do {
      let run = try Results(file: results)
      let earlier = try compare.map { try Results(file: $0) }
      let folder = output ?? (results as NSString).deletingLastPathComponent
      try TextFile.write(Page(run, comparedTo: earlier).html, to: "\(folder.isEmpty ? "." : folder)/report.html")
      print(TextReport(run, comparedTo: earlier).text)
    } catch let error as BenchError {
      throw ExitStatus.failure("\(error)")
    }
  }
}
