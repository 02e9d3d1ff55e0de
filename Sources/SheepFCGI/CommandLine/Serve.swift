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

  @OptionGroup var options: ServeOptions

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let program = Invocation()
    let handover = Handover.take(environment)
    do {
      // Before the first listener and the first thread: from here on a signal drains, and leaves no socket behind.
      let signals = try SignalDescriptor(ProcessLife.signals)
      let settings = try options.settings(environment)
      if !settings.coreDumps { Machine.forbidCoreDumps() }
      sheep_tell_of_crashes()
      let missing = settings.providers.compactMap(\.missingKey)
      if missing.count == settings.providers.count {
        ExitStatus.say("no provider has its key: set \(missing.joined(separator: " or "))")
      }
      let queue = try LogQueue(to: LogDestination(settings.log))
      let peers = try AllowedPeers(environment[AllowedPeers.variable])
      let source = try ListenSource.find(
        handed: handover?.listeners ?? [], requested: options.listen, settings: settings, environment: environment)
      source.notes.forEach(ExitStatus.say)
      if source.listeners.isEmpty { throw ExitStatus.failure(ExitStatus.usage, ListenSource.help) }
      for listener in source.listeners { try peers.check(listener) }
      let fallback = source.isDescriptorZero ? 1 : Machine.cores
      let options = options
      var server = try Server(
        signals: signals, settings: settings, log: queue, listeners: source.listeners, peers: peers,
        workers: settings.workers ?? fallback, manager: ServiceManager(environment), replacing: handover,
        program: program
      ) {
        try options.settings(ProcessInfo.processInfo.environment)
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
}
