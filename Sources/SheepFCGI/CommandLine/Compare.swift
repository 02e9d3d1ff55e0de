import ArgumentParser
import FoundationEssentials
import Glibc
import Streaming

/// `sheepfcgi compare`: asks each configured model the same, and tells what it took.
struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the configured models beside each other.",
    discussion: """
      Asks one model after another the same question, and prints price, time to first token, total time, tokens a second \
      and cost, as the median of the runs. A model that fails, or has no key, gets a row with the reason. Each run costs \
      what the provider takes for it.

      Ctrl-C ends it with what was measured until then. Exit status: 0 where at least one model was measured, 130 after \
      Ctrl-C, else 1.
      """)

  @Option(help: ArgumentHelp("The configuration, in YAML; without it the environment decides.", valueName: "file"))
  var config: String?

  @Option(help: ArgumentHelp("Completion tokens that an answer may have.", valueName: "n"))
  var tokens = 1000

  @Option(help: ArgumentHelp("What to ask.", valueName: "text"))
  var prompt = "Write a long story about a shepherd who learns to talk to the sea. Do not stop before it is finished."

  @Option(help: ArgumentHelp("Runs of each model, of which the median counts.", valueName: "n"))
  var runs = 1

  @Option(
    help: ArgumentHelp("Compare this model alone, as PROVIDER/MODEL. Can be repeated.", valueName: "model"))
  var model: [String] = []

  @Flag(help: "Print JSON instead of a table.")
  var json = false

  func validate() throws {
    guard (1...1_000_000).contains(tokens) else { throw ValidationError("--tokens is \(tokens); write 1 to 1000000") }
    guard (1...100).contains(runs) else { throw ValidationError("--runs is \(runs); write 1 to 100") }
    guard prompt.contains(where: { !$0.isWhitespace }) else {
      throw ValidationError("--prompt is empty; write what to ask")
    }
  }

  func run() throws {
    do {
      let settings = try Settings.load(
        file: config, environment: ProcessInfo.processInfo.environment, toleratesMissingKeys: true)
      let models = try models(of: settings)
      let loop = try TrialLoop(settings)
      var rows: [ComparisonRow] = []
      for (provider, model) in models where !loop.isInterrupted { rows.append(measure(provider, model, on: loop)) }
      let text = json ? Self.json(rows) : TextTable.text(ComparisonRow.titles, rows.map(\.cells))
      try StandardOutput.writeLine(text)
      if loop.isInterrupted { throw ExitCode(128 + SIGINT) }
      guard rows.contains(where: { $0.measurement != nil }) else { throw ExitCode(1) }
    } catch let error as ConfigurationError {
      throw ExitStatus.failure(ExitStatus.configuration, "\(error)")
    } catch let error as SystemError {
      throw ExitStatus.failure(ExitStatus.system, "\(error)")
    }
  }

  private func models(of settings: Settings) throws -> [(provider: Settings.Provider, model: Settings.Model)] {
    guard model.isEmpty else {
      return try model.map { name in
        guard let found = settings.resolve(name) else {
          throw ExitStatus.failure(ExitStatus.usage, "--model \(name) is listed by no provider; write PROVIDER/MODEL")
        }
        return found
      }
    }
    let all = settings.providers.flatMap { provider in
      provider.models.filter { $0.name != Settings.Model.any }.map { (provider: provider, model: $0) }
    }
    guard !all.isEmpty else {
      throw ExitStatus.failure(ExitStatus.usage, "no model has a name (only '*'); name one with --model PROVIDER/MODEL")
    }
    return all
  }

  private func measure(_ provider: Settings.Provider, _ model: Settings.Model, on loop: TrialLoop) -> ComparisonRow {
    var row = ComparisonRow(provider: provider.name, model: model.name, price: model.price)
    if let variable = provider.missingKey {
      row.problem = "no key: set \(variable)"
      return row
    }
    var messages = JSONBuilder()
    messages.object {
      $0.string("role", "user")
      $0.string("content", prompt)
    }
    let ask = Ask(messages: messages.bytes, maxTokens: tokens)
    var measured: [Measurement] = []
    for number in 1...runs where !loop.isInterrupted {
      say("\(provider.name)/\(model.name): run \(number) of \(runs) …")
      switch loop.run(ask, of: provider, model) {
      case .measured(let measurement): measured.append(measurement)
      case .failed(let why): row.problem = why
      case nil: row.problem = "interrupted"
      }
    }
    row.runs = measured.count
    if !measured.isEmpty {
      row.measurement = Measurement(medianOf: measured)
      let failed = loop.isInterrupted ? 0 : runs - measured.count
      if failed > 0 { row.problem = "\(failed) of \(runs) runs failed: \(row.problem ?? "")" }
    }
    return row
  }

  /// Progress, which is no part of the result.
  private func say(_ text: String) {
    StandardError.writeLine(text)
  }

  private static func json(_ rows: [ComparisonRow]) -> String {
    var json = JSONBuilder()
    json.array { list in for row in rows { row.write(to: &list) } }
    return String(decoding: json.bytes, as: UTF8.self)
  }
}
