import ArgumentParser
import CLinux
import FoundationEssentials

/// `sheepfcgi serve`: puts together settings and listeners, and hands them to the server.
struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve nginx (the default).",
    discussion: """
      Listens on the first that there is of: --listen; the sockets that systemd passes (LISTEN_FDS); a listening socket \
      on descriptor 0, as spawn-fcgi and multiwatch pass it; the configuration file's listen.

      Without --config, SHEEP_BASE_URL names the provider (with SHEEP_API_KEY, SHEEP_MODEL, SHEEP_WIRE); without that \
      either, four well-known providers take their keys from HOLYSHEEP_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY and \
      GEMINI_API_KEY.

      A TCP listener that other machines can reach needs FCGI_WEB_SERVER_ADDRS: the web servers' addresses, with commas \
      between them.

      \(ExitStatus.help)
      """)

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

  private static func parseMode(_ text: String) throws -> UInt32 {
    guard let mode = Settings.ListenOptions.mode(octal: text) else {
      throw ValidationError(Settings.ListenOptions.modeRemedy)
    }
    return mode
  }

  func validate() throws {
    if let workers, !(1...1024).contains(workers) {
      throw ValidationError("--workers is \(workers); write a number from 1 to 1024")
    }
  }

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let program = Replacement.Invocation()
    let handover = Handover.take(environment)
    do {
      // Before the first listener and the first thread: from here on a signal drains, and leaves no socket behind.
      let signals = try SignalDescriptor(ProcessLife.signals)
      let settings = try settings(environment)
      if !settings.coreDumps { Machine.forbidCoreDumps() }
      sheep_tell_of_crashes()
      let missing = settings.providers.compactMap(\.missingKey)
      if missing.count == settings.providers.count {
        ExitStatus.say("no provider has its key: set \(missing.joined(separator: " or "))")
      }
      let queue = try LogQueue(to: LogDestination(settings.log))
      let peers = try AllowedPeers(environment[AllowedPeers.variable])
      let source = try ListenSource.find(
        handed: handover?.listeners ?? [], requested: listen, settings: settings, environment: environment)
      source.notes.forEach(ExitStatus.say)
      if source.listeners.isEmpty { throw ExitStatus.failure(ExitStatus.usage, ListenSource.help) }
      for listener in source.listeners { try peers.check(listener) }
      let fallback = source.isDescriptorZero ? 1 : Machine.cores
      let again = self
      var server = try Server(
        signals: signals, settings: settings, log: queue, listeners: source.listeners, peers: peers,
        workers: settings.workers ?? fallback, manager: ServiceManager(environment), replacing: handover,
        program: program
      ) {
        try again.settings(ProcessInfo.processInfo.environment)
      }
      try server.run()
    } catch {
      guard let status = Self.status(of: error) else { throw error }
      handover?.tellFailure("\(error)")
      throw ExitStatus.failure(status, "\(error)")
    }
  }

  private static func status(of error: any Error) -> Int32? {
    switch error {
    case is ConfigurationError, is AllowedPeers.Invalid: ExitStatus.configuration
    case is SystemError: ExitStatus.system
    default: nil
    }
  }

  /// The file's or the environment's, with the command line's over them.
  private func settings(_ environment: [String: String]) throws(ConfigurationError) -> Settings {
    var settings = try Settings.load(file: config, environment: environment)
    if let workers { settings.workers = workers }
    if let listenMode { settings.listenOptions.mode = listenMode }
    if let listenOwner { settings.listenOptions.owner = listenOwner }
    if let listenGroup { settings.listenOptions.group = listenGroup }
    return settings
  }
}
