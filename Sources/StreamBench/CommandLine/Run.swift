import ArgumentParser
import Foundation
import Streaming

/// `stream-bench run`: the whole suite.
struct Run: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "The whole suite: nginx alone, sheepfcgi and the peers, one after another on the same provider.",
    discussion: """
      Writes results.json and report.html into the output directory, and the tables on standard output. What is missing \
      is said, and the run goes on with the rest. A Ctrl-C ends it with what was measured until then.
      """)

  @Flag(help: "Two minutes in place of many: shorter loads, and only the peers that start at once.")
  var quick = false

  @Option(
    help: ArgumentHelp("Contenders, with commas between them: nginx-alone, sheepfcgi, or a peer.", valueName: "names"))
  var only: String?

  @Option(
    help: ArgumentHelp(
      "Phases, with commas between them: \(PhaseName.allCases.map(\.rawValue).joined(separator: ", ")).",
      valueName: "names"))
  var phases: String?

  @Option(help: ArgumentHelp("results.json of an earlier run: the tables say what has changed.", valueName: "file"))
  var compare: String?

  @Option(help: ArgumentHelp("Where the results go, and the peers are built.", valueName: "directory"))
  var output = ".build/bench"

  @Option(help: ArgumentHelp("Folder of the peers.", valueName: "directory"))
  var peers = "Benchmarks/peers"

  @Option(help: ArgumentHelp("The worker. (default: the one beside this program)", valueName: "program"))
  var sheepfcgi: String?

  @Option(help: ArgumentHelp("The provider. (default: the one beside this program)", valueName: "program"))
  var mockProvider: String?

  /// Peers that need no installing, and start at once.
  private static let quickPeers = ["bare-c", "libfcgi", "node"]

  func run() throws {
    do {
      try measure()
    } catch let error as BenchError {
      throw ExitStatus.failure("\(error)")
    } catch let error as Interruption.Interrupted {
      throw ExitStatus.interrupted(error)
    }
  }

  private func measure() throws {
    Interruption.install()
    let phases = try chosenPhases()
    let earlier = try compare.map { try Results(file: $0) }
    let output = absolute(self.output)
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    let worker = try program(sheepfcgi, "sheepfcgi")
    let progress = Progress()
    var results = Results(
      date: Date.now.formatted(.iso8601), isQuick: quick, machine: Machine.current())
    let contenders = try chosenContenders(worker) { problem in
      progress.say(problem)
      results.problems.append(problem)
    }
    let extent = quick ? Extent.quick : .full
    let bed = try TestBed(
      mockProvider: try program(mockProvider, "mock-provider"), builds: "\(output)/peers",
      descriptors: extent.descriptors)
    let suite = Suite(contenders, phases, extent, on: bed, results: results, progress: progress)
    var interruption: Interruption.Interrupted?
    do {
      defer { bed.end() }
      try suite.run()
    } catch {
      interruption = error
    }
    try publish(suite.results, comparedTo: earlier, in: output)
    progress.say("\(output)/results.json, report.html\(suite.results.kind)")
    if let interruption { throw interruption }
  }

  private func publish(_ results: Results, comparedTo earlier: Results?, in output: String) throws {
    try results.write(to: "\(output)/results.json")
    try TextFile.write(Page(results, comparedTo: earlier).html, to: "\(output)/report.html")
    print(TextReport(results, comparedTo: earlier).text)
  }

  private func chosenPhases() throws -> [PhaseName] {
    guard let phases else { return PhaseName.allCases }
    return try phases.split(separator: ",").map { name in
      guard let phase = PhaseName(rawValue: String(name)) else {
        throw ExitStatus.failure(
          "there is no phase \(name); there are \(PhaseName.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      return phase
    }
  }

  private func chosenContenders(_ worker: String, problem: (String) -> Void) throws -> [Contender] {
    let all =
      [Contender.alone, .sheepfcgi(Contender.WorkerSettings(program: worker))]
      + Contender.peers(below: absolute(peers), problem: problem)
    guard let only else {
      return all.filter { contender in
        if case .peer = contender.kind { !quick || Self.quickPeers.contains(contender.name) } else { true }
      }
    }
    return try only.split(separator: ",").map { name in
      guard let contender = all.first(where: { $0.name == name }) else {
        throw ExitStatus.failure(
          "there is no contender \(name); there are \(all.map(\.name).joined(separator: ", ")) (--peers is \(peers))")
      }
      return contender
    }
  }

  private func program(_ chosen: String?, _ name: String) throws -> String {
    let beside = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    let path = chosen.map(absolute) ?? (beside as NSString).deletingLastPathComponent + "/\(name)"
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw ExitStatus.failure(
        "there is no program \(path); build it (make build), or name one with --\(name)")
    }
    return path
  }

  private func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }
}
