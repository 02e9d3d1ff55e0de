import ArgumentParser

@main
struct StreamBench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stream-bench",
    abstract: "Measures relays that stream an LLM's tokens behind nginx, all in one run.",
    subcommands: [Run.self, Load.self, Report.self],
    defaultSubcommand: Run.self)
}
