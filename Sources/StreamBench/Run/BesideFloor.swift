import Streaming

/// A load through a relay, and what nginx alone made of the same just before and just after it.
struct BesideFloor {
  let load: Measurement
  /// Empty where there is no relay to compare with it.
  let floor: [LoadResult]

  /// The load's figure over the floor's.
  ///
  /// Nil: there is no floor, or its streams had faults: what fails is soon done, and no measure.
  func ratio(_ figure: (LoadResult) -> Double) -> Double? {
    guard !floor.isEmpty, faults.isEmpty else { return nil }
    return figure(load.result) / LoadResult.mean(floor, figure)
  }

  /// By how much it is above the floor's; nil as above, or where one of the two has none.
  func difference(_ figure: (LoadResult) -> Double?) -> Double? {
    guard !floor.isEmpty, faults.isEmpty, let own = figure(load.result) else { return nil }
    let below = floor.compactMap(figure)
    return below.count == floor.count ? own - below.reduce(0, +) / Double(below.count) : nil
  }

  /// What was wrong with the floor's streams.
  var faults: [String] {
    floor.flatMap { part in
      let wrong = part.tally.lost + part.tally.doubled + part.tally.outOfOrder
      return part.failures + (wrong > 0 ? ["\(wrong) tokens lost, doubled or out of order"] : [])
    }.map { "nginx alone beside it: \($0)" }
  }
}
