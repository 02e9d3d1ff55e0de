import Streaming

/// One contender behind its nginx, ready to be measured.
final class Site {
  let contender: Contender
  let bed: TestBed
  let web: WebServer
  private let address: Relay.Address?
  private let work: String
  /// Nil: nginx alone.
  private(set) var relay: Relay?
  /// Whether this process of the relay has had its `warmUp`.
  private var isWarm = false

  init(_ contender: Contender, on bed: TestBed) throws {
    self.contender = contender
    self.bed = bed
    work = try bed.newFolder()
    if case .alone = contender.kind {
      address = nil
    } else {
      address = Relay.Address(
        socket: "\(work)/relay.sock", speaks: contender.speaks, script: contender.script)
    }
    web = try WebServer(
      relay: address, provider: bed.provider.port, connections: bed.descriptors - 128, in: work)
    do {
      try startRelay()
    } catch {
      web.process.end()
      throw error
    }
  }

  func end() {
    relay?.process.end()
    web.process.end()
  }

  /// Another process in place of the one that ran: nothing of earlier loads is in its memory.
  func restart() throws {
    relay?.process.end()
    relay = nil
    isWarm = false
    try startRelay()
  }

  private func startRelay() throws {
    guard let address else { return }
    relay = try Relay(
      contender, at: address, work: work, build: bed.buildFolder(of: contender), provider: bed.provider.port)
  }

  // MARK: Loads

  /// How many of so many streams there can be: the peer may hold fewer, and nginx takes two descriptors for each.
  func capacity(of streams: Int) -> Int {
    min(streams, contender.maximumStreams ?? streams, (bed.descriptors - Extent.spareDescriptors) / 2)
  }

  func shortage(of streams: Int) -> String {
    "\(bed.descriptors) descriptors are too few, allow \(streams * 2 + Extent.spareDescriptors) (ulimit -n)"
  }

  /// A load through the contender, with as many streams as there can be.
  func plan(_ prompt: String, tokens: Int?, streams: Int, total: Int) -> LoadPlan {
    let path = address == nil ? Self.direct : "/stream"
    var plan = LoadPlan(target: Target(port: web.port, path: path), prompt: prompt)
    plan.isPost = address == nil
    plan.streams = capacity(of: streams)
    plan.total = total
    plan.expectedTokens = tokens
    return plan
  }

  /// A load, and what nginx alone makes of the same: half of that before it and half after, as machines drift.
  func loadBesideFloor(_ plan: LoadPlan) throws -> BesideFloor {
    guard relay != nil else { return BesideFloor(load: try load(plan), floor: []) }
    var direct = plan
    direct.target = Target(port: web.port, path: Self.direct)
    direct.isPost = true
    direct.total = max(plan.streams, plan.total / 2)
    let before = try load(direct).result
    let own = try load(plan)
    return BesideFloor(load: own, floor: [before, try load(direct).result])
  }

  /// A short load, the same for every contender, before the first that is measured of a process: what is done once, or
  /// compiled when it is used often, is then behind it.
  func warmUp() throws {
    guard !isWarm else { return }
    _ = try load(plan("n=20 rate=0 size=12", tokens: 20, streams: 32, total: 1000))
    isWarm = true
  }

  private static let direct = "/v1/chat/completions"

  /// - Parameters:
  ///   - watchesMemory: costs time that tokens then wait for the client, where a relay has hundreds of processes.
  ///   - watch: called every 100 ms, with the streams that are open.
  func load(
    _ plan: LoadPlan, watchesMemory: Bool = false, watch: (Int) -> Void = { _ in }
  ) throws -> Measurement {
    let before = (relay: relay?.family.usage, nginx: web.family.usage, provider: bed.provider.family.usage)
    var memory = MemoryWatch(watchesMemory ? relay?.process.pid : nil)
    let result = try LoadClient(plan).run { open in
      memory.look()
      watch(open)
    }
    memory.look()
    // Families are asked for anew: a child that was started meanwhile has used all of its time under this load.
    let used = (relay: relay?.family.usage, nginx: web.family.usage, provider: bed.provider.family.usage)
    try requireRelay()
    return Measurement(
      result: result, relayCPU: both(used.relay, before.relay).map { $0.since($1) },
      nginxCPU: used.nginx.since(before.nginx), providerCPU: used.provider.since(before.provider),
      residentBytes: memory.first, peakBytes: memory.peak)
  }

  /// Nobody has to ask what a dead relay's figures mean.
  func requireRelay() throws {
    guard let process = relay?.process, let status = process.exitStatus else { return }
    throw BenchError("\(contender.name) ended with \(status) under the load: \(process.lastWords)")
  }
}
