import Glibc
import Testing

@testable import SheepFCGI

struct ProcessLifeTests {
  /// One that has received the signals, and what the last one came to.
  private func after(_ signals: [Int32]) -> (life: ProcessLife, action: ProcessLife.Action) {
    var (life, action) = (ProcessLife(), ProcessLife.Action.nothing)
    for signal in signals { action = life.receive(signal) }
    return (life, action)
  }

  @Test(arguments: [SIGTERM, SIGINT, SIGQUIT, SIGUSR1])
  func `the first signal to end drains`(signal: Int32) {
    let (life, action) = after([signal])
    #expect(action == .drain)
    #expect(life.isLeaving)
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func `a second one ends the streams, a third the process`(signal: Int32) {
    #expect(after([SIGTERM, signal]).action == .endStreams)
    #expect(after([SIGTERM, signal, signal]).action == .endNow)
  }

  @Test(arguments: [SIGQUIT, SIGUSR1])
  func `a graceful signal hurries no drain`(signal: Int32) {
    #expect(after([signal, signal, signal]).action == .nothing)
    #expect(after([SIGTERM, SIGTERM, signal]).action == .nothing)
  }

  @Test func `settings are read again at any time`() {
    #expect(after([SIGHUP]).action == .reload)
    #expect(after([SIGTERM, SIGHUP]).action == .reload)
  }

  @Test func `settings that change while they are read are read once more`() {
    var (life, action) = after([SIGHUP, SIGHUP, SIGHUP])
    #expect(action == .nothing)
    #expect(life.reloadEnded() == .reload)
    #expect(life.receive(SIGHUP) == .nothing)
    #expect(life.reloadEnded() == .reload)
    #expect(life.reloadEnded() == .nothing)
    #expect(life.receive(SIGHUP) == .reload)
  }

  @Test func `it is replaced once`() {
    var (life, action) = after([SIGUSR2])
    #expect(action == .replace)
    #expect(life.receive(SIGUSR2).isRefusal)
    life.replacementServes()
    #expect(life.stage == .replaced)
    #expect(life.receive(SIGUSR2).isRefusal)
  }

  @Test func `one whose replacement failed serves on, and can be replaced`() {
    var (life, _) = after([SIGUSR2])
    life.replacementFailed()
    #expect(life.stage == .serving)
    #expect(life.receive(SIGUSR2) == .replace)
  }

  @Test func `one that drains is not replaced`() {
    #expect(after([SIGTERM, SIGUSR2]).action.isRefusal)
  }

  @Test func `a drain outlasts what comes of a replacement`() {
    var (life, _) = after([SIGUSR2, SIGTERM])
    life.replacementFailed()
    life.replacementServes()
    #expect(life.stage == .draining)
  }

  @Test func `one that is replaced can be told to drain`() {
    var (life, _) = after([SIGUSR2])
    life.replacementServes()
    #expect(life.receive(SIGTERM) == .drain)
  }
}

extension ProcessLife.Action {
  fileprivate var isRefusal: Bool { if case .refuse = self { true } else { false } }
}
