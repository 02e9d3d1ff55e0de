import Streaming

/// How soon a relay that was not running serves, and what it weighs after one answer.
struct StartupPhase: Phase {
  private let startups: Int

  init(_ extent: Extent) {
    startups = extent.startups
  }

  func measure(_ site: Site, into result: inout PhaseResult) throws {
    guard site.relay != nil else { return }
    var (listening, answered, resident) = ([Double](), [Double](), [Double]())
    for _ in 0..<startups {
      try site.restart()
      guard let relay = site.relay else { return }
      let load = try LoadClient(site.plan("n=1", tokens: 1, streams: 1, total: 1)).run()
      answered.append((relay.startTime + load.tally.firstToken.maximum).milliseconds)
      guard load.failures.isEmpty else { throw BenchError(load.failures.joined(separator: "; ")) }
      listening.append(relay.startTime.milliseconds)
      // After that one answer: what it only makes then is in it.
      resident.append(Double(try relay.settle().residentBytes) / 1_048_576)
    }
    result.rows.append(
      PhaseResult.Row(
        figures: [
          Figure(.listening, Self.median(listening)), Figure(.firstAnswer, Self.median(answered)),
          Figure(.resident, Self.median(resident)),
        ]))
  }

  /// Of an even number the lower of the two in the middle: a figure that was really measured.
  static func median(_ values: [Double]) -> Double {
    values.sorted()[(values.count - 1) / 2]
  }
}
