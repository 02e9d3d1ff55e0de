import CCurl
import CLinux
import FoundationEssentials
import Glibc
import Logging
import Streaming

/// The process: starts the workers, and obeys signals until they have ended. Bound to the main thread.
struct Server: ~Copyable {
  private let signals: SignalDescriptor
  private let pool: Pool
  private let queue: LogQueue
  private let log: Logger
  /// Nil once another process is the service.
  private var manager: ServiceManager?
  private let program: Invocation
  /// Those that the workers follow.
  private var settings: Settings
  /// Reads the settings anew.
  private let reload: @Sendable () throws -> Settings

  private var life = ProcessLife()
  /// From the process before us, until we serve.
  private var handover: Handover?
  /// The process that is to take our place, while it starts.
  private var replacement: Replacement?
  private var watchdog: Watchdog?

  private enum Source { case signal, thread, replacement }
  /// What other threads tell this one.
  private enum ThreadEvent: Sendable {
    case workerBegan
    case workerEnded(SystemError?)
    case settingsRead(Settings)
    case settingsAreWrong(String)
  }

  private let poller: Poller<Source>
  private let events: Mailbox<ThreadEvent>
  /// Workers that run.
  private var workersLeft: Int

  /// - Parameters:
  ///   - signals: made of `ProcessLife.signals`, before there was anything that a signal must not leave behind.
  ///   - queue: to where `settings.log` says.
  ///   - handover: told when all workers wait for connections.
  ///   - reload: for HUP; on a thread of its own.
  init(
    signals: consuming SignalDescriptor, settings: Settings, log queue: LogQueue, listeners: [Listener],
    peers: AllowedPeers, workers: Int, manager: ServiceManager?, replacing handover: Handover?,
    program: Invocation, reload: @escaping @Sendable () throws -> Settings
  ) throws(SystemError) {
    let handler = LogQueueHandler(queue)
    let log = Logger(label: "sheepfcgi") { _ in handler }
    let pool = try Pool(
      listeners: listeners, peers: peers, workers: workers, log: log, accessLog: AccessLog(queue: queue))
    let (poller, events) = (try Poller<Source>(capacity: 4), try Mailbox<ThreadEvent>())
    (self.pool, self.poller, self.events) = (pool, poller, events)
    workersLeft = workers
    self.signals = signals
    self.settings = settings
    self.reload = reload
    self.queue = queue
    self.log = log
    self.manager = manager
    self.handover = handover
    self.program = program
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
    try poller.add(signals.descriptor, .read, .signal)
    try poller.add(events.descriptor, .read, .thread)
    let threads = try startWorkers()
    var workersToBegin = threads.count
    while workersLeft > 0 {
      let count = poller.wait(milliseconds: timeout())
      for index in 0..<count {
        switch poller.event(index)?.target {
        case .thread?: try receiveEvents(&workersToBegin)
        case .signal?: while let signal = signals.take() { act(life.receive(signal)) }
        case .replacement?: listenToReplacement()
        case nil: break
        }
      }
      keepTime()
    }
    for thread in threads { thread.join() }
    log.notice("ended")
  }

  // MARK: Workers

  private func startWorkers() throws(SystemError) -> [Thread] {
    var threads: [Thread] = []
    for (number, handle) in pool.handles.enumerated() {
      let (pool, settings, events) = (pool, settings, events)
      threads.append(
        try Thread(name: "worker-\(number)") {
          do throws(SystemError) {
            let worker = try Worker(handle, in: pool, settings: settings)
            events.post(.workerBegan)
            worker.run()
            events.post(.workerEnded(nil))
          } catch {
            events.post(.workerEnded(error))
          }
        })
    }
    return threads
  }

  private mutating func receiveEvents(_ workersToBegin: inout Int) throws(SystemError) {
    for event in events.take() {
      switch event {
      case .workerBegan:
        workersToBegin -= 1
        if workersToBegin == 0 { serves() }
      case .workerEnded(nil): workersLeft -= 1
      // The others would serve on with less than was asked for; whoever started us shall see it instead.
      case .workerEnded(let failure?):
        handover?.tellFailure("\(failure)")
        throw failure
      case .settingsRead(let settings):
        follow(settings)
        reloadEnded()
      case .settingsAreWrong(let why):
        // Whoever has moved the log away waits for it all the same.
        reopenLog(settings.log)
        log.error("the old configuration stays in force: \(why)")
        reloadEnded()
      }
    }
  }

  /// All workers wait for connections.
  private mutating func serves() {
    let places = pool.listeners.map(\.description).joined(separator: " and ")
    let replaced = handover.map { ", in place of process \($0.replaced)" } ?? ""
    log.notice("sheepfcgi \(Program.version) listens on \(places) with \(pool.handles.count) worker(s)\(replaced)")
    for warning in settings.warnings { log.warning("\(warning)") }
    manager?.tell("READY=1", "STATUS=Serving")
    handover?.tellReady()
    handover = nil
    if let time = manager?.watchdogTime {
      watchdog = Watchdog(time: time, workers: pool.handles.count, at: Clock.now())
    }
  }

  // MARK: Signals

  private mutating func act(_ action: ProcessLife.Action) {
    switch action {
    case .nothing: break
    case .reload: startReload()
    case .replace: startReplacement()
    case .refuse(let why): log.warning("USR2: \(why)")
    case .drain: drain()
    case .endStreams:
      log.notice("a second signal: running streams are ended")
      pool.post(.endStreams)
    case .endNow: endNow()
    }
  }

  private mutating func drain() {
    // It may have said meanwhile that it serves.
    listenToReplacement()
    giveReplacementUp("this process is to end")
    log.notice("draining: running streams may go on for \(settings.timeouts.drain)")
    let time = settings.timeouts.drain + .seconds(10)
    manager?.tell("STOPPING=1", "STATUS=Draining", "EXTEND_TIMEOUT_USEC=\(time.nanoseconds / 1000)")
    pool.post(.drain)
  }

  private func endNow() {
    log.notice("ended at once by a third signal")
    queue.close()
    // Without exit's handlers, which would take the libraries' state from under the workers.
    _exit(0)
  }

  /// On a thread: a name that is looked up, or a large file of keys, must keep neither signals nor the watchdog waiting.
  private mutating func startReload() {
    manager?.tell("RELOADING=1", "MONOTONIC_USEC=\(Clock.now().nanoseconds / 1000)")
    let (reload, events) = (reload, events)
    do throws(SystemError) {
      try Thread(name: "reload") {
        do { events.post(.settingsRead(try reload())) } catch { events.post(.settingsAreWrong("\(error)")) }
      }.detach()
    } catch {
      events.post(.settingsAreWrong("\(error)"))
    }
  }

  private mutating func follow(_ settings: Settings) {
    reopenLog(settings.log)
    let log = self.settings.log
    self.settings = settings
    self.settings.log = log
    pool.post(.settings(settings))
    self.log.notice("the configuration was read again; listen and workers stay as they are until a restart")
    for warning in settings.warnings { self.log.warning("\(warning)") }
  }

  private mutating func reloadEnded() {
    manager?.tell("READY=1")
    act(life.reloadEnded())
  }

  private mutating func reopenLog(_ settings: Settings.Log) {
    do throws(ConfigurationError) {
      queue.change(to: try LogDestination(settings))
      self.settings.log = settings
    } catch {
      log.error("the log stays where it is: \(error)")
    }
  }
}

// MARK: - Replacement

extension Server {
  private mutating func startReplacement() {
    do throws(SystemError) {
      if let objection = Launcher.objectionToReplacement(ProcessInfo.processInfo.environment) {
        throw SystemError("be replaced", reason: objection)
      }
      let started = try Replacement(of: program, listeners: pool.listeners, at: Clock.now())
      try poller.add(started.descriptor, .read, .replacement)
      log.notice("process \(started.pid) of \(program.path) starts, to take this one's place")
      replacement = started
    } catch {
      life.replacementFailed()
      log.error("\(error); this process goes on")
    }
  }

  private mutating func listenToReplacement() {
    guard let started = replacement else { return }
    switch started.state() {
    case .starting: break
    case .ready:
      forgetReplacement()
      started.setFree()
      makeWay(for: started.pid)
    case .failed(let said):
      forgetReplacement()
      let end = started.end(isFailing: true)
      life.replacementFailed()
      let words = said.isEmpty ? "it has said nothing here; see standard error" : said
      log.error("process \(started.pid) does not serve and this one goes on: \(end): \(words)")
    }
  }

  private mutating func forgetReplacement() {
    if let replacement { poller.remove(replacement.descriptor) }
    replacement = nil
  }

  private mutating func makeWay(for pid: pid_t) {
    life.replacementServes()
    watchdog = nil
    manager?.tell("MAINPID=\(pid)")
    manager = nil
    let limit = settings.timeouts.total + settings.timeouts.clientStall
    log.notice("process \(pid) serves; this one ends with its last connection, within \(limit)")
    pool.listenersWereHandedOver()
    pool.post(.makeWay(limit))
  }

  private mutating func giveReplacementUp(_ why: String) {
    guard let started = replacement else { return }
    forgetReplacement()
    let end = started.end(isFailing: false)
    life.replacementFailed()
    log.error("process \(started.pid), which was to take this one's place, is given up: \(why): \(end)")
  }
}

// MARK: - Time

extension Server {
  private func timeout() -> Int32 {
    let deadlines = [watchdog?.due, replacement?.deadline].compactMap { $0 }
    guard let next = deadlines.min() else { return -1 }
    return Int32(clamping: max(0, (Clock.now().duration(to: next).nanoseconds + 999_999) / 1_000_000))
  }

  private mutating func keepTime() {
    let now = Clock.now()
    if let deadline = replacement?.deadline, deadline <= now { giveReplacementUp("it did not serve in time") }
    guard let due = watchdog?.due, due <= now, let silent = watchdog?.ask(pool.handles, at: now) else { return }
    // Loops that have ended have no answer to give.
    guard !silent.isEmpty, !life.isLeaving else {
      let connections = pool.handles.map(\.openConnections).reduce(0, +)
      manager?.tell("WATCHDOG=1", life.isLeaving ? "STATUS=Draining" : "STATUS=Serving, \(connections) connection(s)")
      return
    }
    let names = silent.map { "worker-\($0)" }.joined(separator: ", ")
    log.critical("\(names) does not answer; the watchdog is not told that we live")
  }
}
