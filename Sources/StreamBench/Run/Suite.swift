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
  /// The phase that runs.
  private var current: PhaseName?

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

  /// - Throws: `Interrupted` alone, with what was measured until then in the results, as all else that goes wrong.
  func run() throws(Interruption.Interrupted) {
    for contender in contenders {
      var result = ContenderResult(name: contender.name, title: contender.title)
      // An interruption comes past here, too: what was measured until then counts.
      defer { results.contenders.append(result) }
      do {
        if let missing = try bed.missing(for: contender) {
          result.missing = missing
          progress.say("\(contender.name): not measured: \(missing)")
          continue
        }
        try run(contender, into: &result)
      } catch let error as Interruption.Interrupted {
        results.interruptedAt = ([contender.name] + (current.map { [$0.rawValue] } ?? [])).joined(separator: ", ")
        if result.phases.isEmpty { result.missing = "the run was interrupted" }
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
      current = name
      var phase = PhaseResult(phase: name)
      // Of a phase that is interrupted, the rows that are whole.
      defer { if !phase.isEmpty { result.phases.append(phase) } }
      let isWhole = try run(site, into: &phase)
      current = nil
      for problem in phase.problems { progress.say("\(contender.name): \(name.rawValue): \(problem)") }
      guard !isWhole else { continue }
      // What is left of it may not spoil what follows.
      site.end()
      do {
        site = try Site(contender, on: bed)
      } catch let error as BenchError {
        phase.problems.append("the rest is left out: \(error)")
        return
      }
    }
  }

  /// - Returns: whether the phase came to its end.
  private func run(_ site: Site, into phase: inout PhaseResult) throws(Interruption.Interrupted) -> Bool {
    let start = Clock.now()
    defer { phase.seconds = start.duration(to: Clock.now()).seconds }
    do {
      if phase.phase.wantsWarmth { try site.warmUp() }
      try phase.phase.phase(extent).measure(site, into: &phase)
      return true
    } catch let error as Interruption.Interrupted {
      throw error
    } catch {
      phase.problems.append("\(error)")
      return false
    }
  }

  private func applies(_ phase: PhaseName, to contender: Contender) -> Bool {
    switch contender.kind {
    case .alone: !phase.isOurOwn && phase != .startup
    case .sheepfcgi: true
    case .peer: !phase.isOurOwn
    }
  }
}
