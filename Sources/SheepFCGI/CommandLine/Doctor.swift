import ArgumentParser
import FoundationEssentials

/// `sheepfcgi doctor`: looks at the machine as the program would run, and says what to put right.
struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Look for what would keep it from serving well.",
    discussion: """
      Takes the options of serve, and looks at the configuration and the files that hold keys, the sockets and whether \
      nginx may connect to them, descriptors, nginx's configuration where it leads to those sockets, the providers (name, \
      TLS, key, by asking for their models, which costs nothing) and the clock. Each finding has its remedy. Run it as \
      the user whom the program runs as; as root it also sees nginx's configuration.

      Exit status: 0 where there is no problem, warnings or not; else 1.
      """)

  @OptionGroup var options: ServeOptions

  @Option(
    help: ArgumentHelp("The output of nginx -T, for when nginx cannot be asked here.", valueName: "file"))
  var nginx: String?

  @Flag(help: "Leave the providers, and with them the clock, alone.")
  var offline = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let examination = Examination(options, nginxFile: nginx, isOffline: offline, environment)
    let report = DoctorReport(findings: examination.findings)
    do throws(SystemError) {
      try StandardOutput.writeLine(json ? report.json : report.text)
    } catch {
      throw ExitStatus.failure(ExitStatus.system, "\(error)")
    }
    guard report.problems == 0 else { throw ExitCode(1) }
  }
}
