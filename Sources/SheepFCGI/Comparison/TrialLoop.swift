import CCurl
import Glibc
import Streaming

/// Runs one trial after another on a loop of its own: a worker's way to a provider without nginx before it.
/// Bound to the thread that made it.
final class TrialLoop {
  private let settings: Settings
  private let poller: Poller<Int32>
  private let interrupts: SignalDescriptor
  /// The user has had enough: what was measured counts.
  private(set) var isInterrupted = false
  private var upstream: CurlMulti!
  private var endpoints: [String: ProviderEndpoint] = [:]

  init(_ settings: Settings) throws(SystemError) {
    self.settings = settings
    // A peer that is gone shows as EPIPE where it is written to.
    signal(SIGPIPE, SIG_IGN)
    curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    interrupts = try SignalDescriptor([SIGINT, SIGTERM])
    poller = try Poller()
    try poller.add(interrupts.descriptor, .read, interrupts.descriptor)
    let poller = poller
    upstream = CurlMulti(connections: settings.providers.count) { socket, what in
      CurlMulti.watch(socket, what, with: poller) { $0 }
    }
    for provider in settings.providers {
      endpoints[provider.name] = ProviderEndpoint(provider, ProviderStanding(keys: provider.apiKeys)) {
        [unowned self] in upstream.start($0)
      }
    }
  }

  /// Asks the model, and returns when its answer is over. Nil: it is interrupted before that.
  func run(_ ask: Ask, of provider: Settings.Provider, _ model: Settings.Model) -> Trial.Outcome? {
    guard let endpoint = endpoints[provider.name] else { return .failed("\(provider.name) is not configured") }
    let trial: Trial
    do throws(Failure) {
      trial = try Trial(ask, of: Target(endpoint: endpoint, model: model, tally: ModelTally()), settings)
    } catch {
      return .failed(error.message)
    }
    while !isInterrupted {
      if let outcome = trial.outcome {
        release(trial.call)
        return outcome
      }
      turn(trial)
    }
    if let call = trial.call {
      call.listener = nil
      upstream.cancel(call)
    }
    return nil
  }

  private func turn(_ trial: Trial?) {
    let now = Clock.now()
    let own = upstream.deadline.map { Int32(clamping: max(0, now.milliseconds(to: $0) + 1)) } ?? -1
    let other = trial?.timeout ?? -1
    for index in 0..<poller.wait(milliseconds: own < 0 ? other : other < 0 ? own : min(own, other)) {
      guard let (socket, readiness) = poller.event(index) else { continue }
      guard socket != interrupts.descriptor else {
        isInterrupted = true
        continue
      }
      upstream.ready(socket, canRead: readiness.canRead, canWrite: readiness.canWrite, hasFailed: readiness.isError)
    }
    if let deadline = upstream.deadline, deadline <= Clock.now() { upstream.wake(at: Clock.now()) }
    trial?.tick()
  }

  /// The answer is over, though its body may not be: the next run shall find the connection free.
  private func release(_ call: UpstreamCall?) {
    guard let call else { return }
    call.listener = nil
    upstream.linger(call, at: Clock.now())
    while !upstream.isIdle, !isInterrupted { turn(nil) }
  }
}
