import ArgumentParser
import FoundationEssentials

/// What `serve` is told on its command line, and who looks at the machine as `serve` would run.
struct ServeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Where to listen: unix:/path or tcp:host:port. Can be repeated.", valueName: "address"),
    transform: { try ListenAddress($0) })
  var listen: [ListenAddress] = []

  @Option(
    help: ArgumentHelp("Mode of Unix sockets that are created. (default: 0660)", valueName: "mode"),
    transform: parseMode)
  var listenMode: UInt32?

  @Option(help: ArgumentHelp("Owner of Unix sockets that are created, by name or number.", valueName: "user"))
  var listenOwner: String?

  @Option(help: ArgumentHelp("Group of Unix sockets that are created, by name or number.", valueName: "group"))
  var listenGroup: String?

  @Option(
    help: ArgumentHelp(
      "Threads, each with its own loop. (default: the file's workers; else 1 with a listener on descriptor 0; else the "
        + "cores)", valueName: "n"))
  var workers: Int?

  @Option(help: ArgumentHelp("The configuration, in YAML.", valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Where the log goes: stderr, journald, syslog, or the absolute path of a file that lines are appended to; "
        + "journald:/path and syslog:/path name another socket. (default: the file's log.to; else stderr)",
      valueName: "destination"),
    transform: parseLog)
  var log: Settings.Log.Destination?

  @Option(
    help: ArgumentHelp("The format of its lines. (default: the file's log.format; else logfmt)", valueName: "format"))
  var logFormat: Settings.Log.Format?

  private static func parseMode(_ text: String) throws -> UInt32 {
    guard let mode = Settings.ListenOptions.mode(octal: text) else {
      throw ValidationError(Settings.ListenOptions.modeRemedy)
    }
    return mode
  }

  private static func parseLog(_ text: String) throws -> Settings.Log.Destination {
    guard let destination = Settings.Log.Destination(text) else {
      throw ValidationError("it is \(Settings.Log.Destination.remedy)")
    }
    return destination
  }

  func validate() throws {
    if let workers, !(1...1024).contains(workers) {
      throw ValidationError("--workers is \(workers); write a number from 1 to 1024")
    }
  }

  /// The file's or the environment's, with the command line's over them.
  func settings(
    _ environment: [String: String], toleratesMissingKeys: Bool = false
  ) throws(ConfigurationError) -> Settings {
    var settings = try Settings.load(
      file: config, environment: environment, toleratesMissingKeys: toleratesMissingKeys)
    if let workers { settings.workers = workers }
    if let listenMode { settings.listenOptions.mode = listenMode }
    if let listenOwner { settings.listenOptions.owner = listenOwner }
    if let listenGroup { settings.listenOptions.group = listenGroup }
    if let log {
      settings.log.to = log
      settings.log.place = "--log"
    }
    if let logFormat { settings.log.format = logFormat }
    return settings
  }
}

extension Settings.Log.Format: ExpressibleByArgument {}
