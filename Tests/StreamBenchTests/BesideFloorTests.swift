import Testing

@testable import StreamBench

struct BesideFloorTests {
  private func result(completed: Int, tokens: Int = 0, failure: String? = nil) -> LoadResult {
    var tally = Tally()
    (tally.completed, tally.tokens) = (completed, tokens)
    if let failure { tally.fail(failure) }
    return LoadResult(
      tally: tally, started: completed, unfinished: 0, peakOpen: 1, time: .seconds(1), leftAt: nil, clientCPU: .zero)
  }

  private func beside(_ floor: [LoadResult], completed: Int = 30) -> BesideFloor {
    let load = Measurement(
      result: result(completed: completed), relayCPU: nil, nginxCPU: .zero, providerCPU: .zero, residentBytes: 0,
      peakBytes: 0)
    return BesideFloor(load: load, floor: floor)
  }

  @Test func `the ratio is that to the mean of both halves`() {
    let measurement = beside([result(completed: 50), result(completed: 70)])
    #expect(measurement.ratio(\.requestsPerSecond) == 0.5 && measurement.faults.isEmpty)
    #expect(measurement.difference(\.requestsPerSecond) == -30)
  }

  @Test func `a floor with faults gives no ratio, and they are told`() {
    let measurement = beside([result(completed: 50), result(completed: 70, failure: "no answer")])
    #expect(measurement.ratio(\.requestsPerSecond) == nil && measurement.difference(\.requestsPerSecond) == nil)
    #expect(measurement.faults == ["nginx alone beside it: 1 streams: no answer"])
    var phase = PhaseResult(phase: .rps)
    phase.add([measurement]) { [Figure(.requestsToAlone, $0.ratio(\.requestsPerSecond))] }
    #expect(phase.rows[0].figure(.requestsToAlone) == nil && phase.problems == measurement.faults)
  }

  @Test func `without a relay there is nothing to compare`() {
    #expect(beside([]).ratio(\.requestsPerSecond) == nil)
  }

  @Test func `of several measurements each figure's median counts`() {
    let medians = Figure.medians([
      [Figure(.requests, 3), Figure(.requestsToAlone, 0.3)], [Figure(.requests, 1)],
      [Figure(.requests, 2), Figure(.requestsToAlone, 0.2)],
    ])
    #expect(medians == [Figure(.requestsToAlone, 0.2), Figure(.requests, 2)])
  }
}
