import Streaming

/// How the process stands, all its workers together: what `/status` and `/metrics` tell.
struct Survey {
  let startedAt: Double
  /// Seconds since 1970.
  let time = Clock.wall()
  /// The same moment on the workers' clock.
  let now: Instant
  let isDraining: Bool
  let workers: Int
  /// Those that did not answer, whose figures are missing.
  let silent: [Int]
  /// Further processes that take connections from the same socket, and whose figures are their own.
  let otherProcesses: Int
  /// In the settings' order.
  let breakers: [(provider: String, isOpen: Bool)]
  let lostLogLines: Int
  let process = ProcessFigures()
  private(set) var figures = Figures()
  private(set) var connections = 0
  private(set) var streams = 0
  private(set) var paused = 0
  private(set) var queued = 0
  /// Nil: nothing is counted there.
  let isRedisAway: Bool?
  /// The oldest first.
  private(set) var running: [StreamReport] = []

  /// - Parameters:
  ///   - reports: of those workers that have answered.
  ///   - worker: that which was asked.
  init(_ reports: [WorkerReport], of worker: Worker) {
    let pool = worker.pool
    startedAt = pool.startedAt
    now = worker.now
    isDraining = worker.keepsNoConnection
    workers = pool.handles.count
    let answered = Set(reports.map(\.worker))
    silent = pool.handles.indices.filter { !answered.contains($0) }
    let inheritsSocket = pool.listeners.contains { $0.isInherited && $0.raw == 0 }
    otherProcesses = inheritsSocket ? ProcessFigures.sharingDescriptorZero() : 0
    breakers = worker.targets.breakers(at: worker.now)
    isRedisAway = worker.redis == nil ? nil : worker.ledger.isAway
    lostLogLines = worker.accessLog.queue.lostCount
    for report in reports {
      figures += report.figures
      connections += report.connections
      streams += report.streams
      paused += report.paused
      queued += report.queued
      running += report.running
    }
    running.sort { $0.startedAt < $1.startedAt }
  }

  /// By name.
  var models: [(name: String, figures: ModelFigures)] {
    figures.models.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// By route and status.
  var requests: [(request: Figures.Request, count: Int)] {
    figures.requests.sorted { a, b in
      (a.key.route.rawValue, a.key.status) < (b.key.route.rawValue, b.key.status)
    }.map { ($0.key, $0.value) }
  }

  /// Failed attempts of a provider, by type.
  func errors(of provider: String) -> [Failure.Kind: Int] { figures.providerErrors[provider] ?? [:] }

  /// All of the configuration, and those of an earlier one that have failed.
  var providers: [String] {
    let configured = breakers.map(\.provider)
    return configured + figures.providerErrors.keys.filter { !configured.contains($0) }.sorted()
  }

  /// Requests that a limit has refused.
  var refusalCount: Int { figures.refusals.values.reduce(0, +) }
  var requestCount: Int { figures.requests.values.reduce(0, +) }
  var tokens: Int { figures.models.values.reduce(0) { $0 + $1.tokens } }
  var cost: Double { figures.models.values.reduce(0) { $0 + $1.cost } }

  func ended(_ name: String) -> Int { figures.models.values.reduce(0) { $0 + ($1.endings[name] ?? 0) } }
}
