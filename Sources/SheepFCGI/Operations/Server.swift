import CCurl
import CLinux
import Glibc
import Logging

/// The process: starts the workers, and obeys signals until they have ended. Bound to the main thread.
struct Server: ~Copyable {
  /// What it obeys.
  static let signals = [SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGHUP]

  private let signals: SignalDescriptor
  private let pool: Pool
  private let settings: Settings
  private let queue: LogQueue
  private let log: Logger
  /// What `queue` was last told to follow.
  private var logSettings: Settings.Log
  /// Reads the settings anew.
  private let reload: () throws -> Settings

  /// - Parameters:
  ///   - signals: made of `Server.signals`, before there was anything that a signal must not leave behind.
  ///   - queue: to where `settings.log` says.
  ///   - reload: for HUP.
  init(
    signals: consuming SignalDescriptor, settings: Settings, log queue: LogQueue, listeners: [Listener],
    peers: AllowedPeers, workers: Int, reload: @escaping () throws -> Settings
  ) throws(SystemError) {
    let handler = LogQueueHandler(queue)
    let log = Logger(label: "sheepfcgi") { _ in handler }
    pool = try Pool(
      listeners: listeners, peers: peers, workers: workers, log: log, accessLog: AccessLog(queue: queue))
    self.signals = signals
    self.settings = settings
    self.reload = reload
    self.queue = queue
    self.log = log
    logSettings = settings.log
  }

  /// Runs until a signal has ended it and the workers are drained.
  mutating func run() throws(SystemError) {
    defer { queue.close() }
    // A peer that is gone shows as EPIPE where it is written to.
    signal(SIGPIPE, SIG_IGN)
    // So does a log file that may not grow any more (ulimit -f), as EFBIG.
    signal(SIGXFSZ, SIG_IGN)
    // Else glibc raises the threshold with the first full stream buffer that is freed, and the next ones' pages stay ours
    // after their end.
    mallopt(M_MMAP_THRESHOLD, 128 << 10)
    curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    let ended = try Mailbox<SystemError?>()
    var threads: [Thread] = []
    for (number, handle) in pool.handles.enumerated() {
      let (pool, settings) = (pool, settings)
      threads.append(
        try Thread(name: "worker-\(number)") {
          do throws(SystemError) {
            try Worker(handle, in: pool, settings: settings).run()
            ended.post(nil)
          } catch {
            ended.post(error)
          }
        })
    }
    let places = pool.listeners.map(\.description).joined(separator: " and ")
    log.notice("sheepfcgi \(Program.version) listens on \(places) with \(threads.count) worker(s)")
    try obey(until: ended, count: threads.count)
    for thread in threads { thread.join() }
    log.notice("ended")
  }

  private mutating func obey(until ended: Mailbox<SystemError?>, count: Int) throws(SystemError) {
    enum Source { case signal, workerEnded }
    let poller = try Poller<Source>(capacity: 2)
    try poller.add(signals.descriptor, .read, .signal)
    try poller.add(ended.descriptor, .read, .workerEnded)
    var left = count
    var isDraining = false
    var isEnding = false
    while left > 0 {
      for index in 0..<poller.wait(milliseconds: -1) {
        switch poller.event(index)?.target {
        case .workerEnded?:
          for failure in ended.take() {
            // The others would serve on with less than was asked for; whoever started us shall see it instead.
            if let failure { throw failure }
            left -= 1
          }
        case .signal?:
          while let signal = signals.take() {
            switch signal {
            case SIGHUP: reloadSettings()
            // Unhandled, it would end the process and every stream.
            case SIGUSR2: log.warning("USR2 replaces nothing in this version; start a new process, then TERM this one")
            case SIGTERM where isEnding, SIGINT where isEnding: endNow()
            case SIGTERM where isDraining, SIGINT where isDraining:
              isEnding = true
              endStreams()
            default:
              guard !isDraining else { continue }
              isDraining = true
              drain()
            }
          }
        case nil: break
        }
      }
    }
  }

  private func drain() {
    log.notice("draining: running streams may go on for \(settings.timeouts.drain)")
    for handle in pool.handles { handle.mailbox.post(.drain) }
  }

  private func endStreams() {
    log.notice("a second signal: running streams are ended")
    for handle in pool.handles { handle.mailbox.post(.endStreams) }
  }

  private func endNow() {
    log.notice("ended at once by a third signal")
    queue.close()
    // Without exit's handlers, which would take the libraries' state from under the workers.
    _exit(0)
  }

  private mutating func reloadSettings() {
    do {
      let settings = try reload()
      reopenLog(settings.log)
      for handle in pool.handles { handle.mailbox.post(.settings(settings)) }
      log.notice("the configuration was read again; listen and workers stay as they are until a restart")
    } catch {
      // Whoever has moved the file away waits for it all the same.
      reopenLog(logSettings)
      log.error("the old configuration stays in force: \(error)")
    }
  }

  private mutating func reopenLog(_ settings: Settings.Log) {
    do throws(ConfigurationError) {
      queue.change(to: try LogDestination(settings))
      logSettings = settings
    } catch {
      log.error("the log stays where it is: \(error)")
    }
  }
}
