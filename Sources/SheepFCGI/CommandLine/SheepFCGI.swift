import ArgumentParser

@main
struct Program: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sheepfcgi",
    abstract: "A FastCGI and SCGI worker that streams an LLM's tokens through nginx.",
    discussion: ExitStatus.help,
    version: version,
    subcommands: [Serve.self, Check.self, Compare.self, Doctor.self],
    defaultSubcommand: Serve.self)

  static let version = "0.1.0"
}
