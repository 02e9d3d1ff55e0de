import Foundation
import Streaming

/// All contenders through all phases, one after another, in one run.
final class Suite {
  private let bed: TestBed
  private let contenders: [Contender]
  private let phases: [PhaseName]
  private let extent: Extent
  private let progress: Progress
  private(set) var results: Results

  init(
    _ contenders: [Contender], _ phases: [PhaseName], _ extent: Extent, on bed: TestBed, results: Results,
    progress: Progress
  ) {
    self.contenders = contenders
    self.phases = phases
    self.extent = extent
    self.bed = bed
    self.results = results
    self.progress = progress
  }

  /// - Throws: `Interrupted` alone; what else goes wrong is in the results.
  func run() throws(Interruption.Interrupted) {
    for contender in contenders {
      var result = ContenderResult(name: contender.name, title: contender.title)
      defer { results.contenders.append(result) }
      do {
        if let missing = try bed.missing(for: contender) {
          result.missing = missing
          progress.say("\(contender.name): not measured: \(missing)")
          continue
        }
        try run(contender, into: &result)
      } catch let error as Interruption.Interrupted {
        throw error
      } catch {
        result.missing = "\(error)"
        progress.say("\(contender.name): \(error)")
      }
    }
  }

  private func run(_ contender: Contender, into result: inout ContenderResult) throws {
    var site = try Site(contender, on: bed)
    defer { site.end() }
    for name in phases where applies(name, to: contender) {
      progress.say("\(contender.name): \(name.rawValue) …")
      let (phase, isWhole) = try run(name, at: site)
      result.phases.append(phase)
      for problem in phase.problems { progress.say("\(contender.name): \(name.rawValue): \(problem)") }
      guard !isWhole else { continue }
      // What is left of it may not spoil what follows.
      site.end()
      do {
        site = try Site(contender, on: bed)
      } catch let error as BenchError {
        result.phases[result.phases.count - 1].problems.append("the rest is left out: \(error)")
        return
      }
    }
  }

  /// - Returns: the figures, and whether the phase came to its end.
  private func run(_ name: PhaseName, at site: Site) throws(Interruption.Interrupted) -> (PhaseResult, Bool) {
    var phase = PhaseResult(phase: name)
    let start = Clock.now()
    do {
      try name.phase(extent).measure(site, into: &phase)
    } catch let error as Interruption.Interrupted {
      throw error
    } catch {
      phase.problems.append("\(error)")
      return (phase, false)
    }
    phase.seconds = start.duration(to: Clock.now()).seconds
    return (phase, true)
  }

  private func applies(_ phase: PhaseName, to contender: Contender) -> Bool {
    switch contender.kind {
    case .alone: !phase.isOurOwn && phase != .startup
    case .sheepfcgi: true
    case .peer: !phase.isOurOwn
    }
  }
}
