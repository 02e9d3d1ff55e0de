import ArgumentParser
import FoundationEssentials

/// `sheepfcgi check`: reads a configuration as `serve` would, and says what is wrong with it.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Validate a configuration file.",
    discussion: "Prints each problem with its place and the remedy. Exit status: 0 where there is none, else 1.")

  @Option(help: ArgumentHelp("The configuration, in YAML.", valueName: "file"))
  var config: String

  func run() throws {
    do {
      let settings = try Settings.load(file: config, environment: ProcessInfo.processInfo.environment)
      let models = settings.providers.map(\.models.count).reduce(0, +)
      print("\(config) is in order: \(settings.providers.count) provider(s), \(models) model(s)")
    } catch {
      throw ExitStatus.failure(1, "\(error)")
    }
  }
}
