import Foundation

/// A whole run, as results.json holds it.
struct Results: Codable {
  /// Of this file; another number is another layout.
  static let currentFormat = 1

  var format = Self.currentFormat
  /// When it began, as ISO 8601.
  var date: String
  var isQuick: Bool
  var machine: Machine
  var contenders: [ContenderResult] = []
  /// What was missing for the run as a whole.
  var problems: [String] = []
  /// Where the run was when a signal ended it; nil: it came to its end.
  var interruptedAt: String?
}

/// What one contender came to.
struct ContenderResult: Codable {
  var name: String
  var title: String
  /// Why it was not measured.
  var missing: String?
  var phases: [PhaseResult] = []

  func figure(_ quantity: Quantity, in phase: PhaseName) -> Double? {
    phases.first { $0.phase == phase }?.rows.first?.figure(quantity)
  }
}

/// What one phase of it came to.
struct PhaseResult: Codable {
  var phase: PhaseName
  var rows: [Row] = []
  var notes: [String] = []
  /// Why it has no figures, or what was wrong with its streams.
  var problems: [String] = []
  var seconds = 0.0

  var isEmpty: Bool { rows.isEmpty && notes.isEmpty && problems.isEmpty }

  /// Figures of one load, or of one size or kind where a phase has several.
  struct Row: Codable {
    let label: String
    let figures: [Figure]

    /// Leaves out what is no finite number: JSON has none such, and the whole run would be lost for one of them.
    init(label: String = "", figures: [Figure]) {
      self.label = label
      self.figures = figures.filter(\.value.isFinite)
    }

    func figure(_ quantity: Quantity) -> Double? { figures.first { $0.quantity == quantity }?.value }
  }
}

/// What is measured.
enum PhaseName: String, Codable, CaseIterable {
  case startup, paced, ttft, rps, flood, idle, slow, cancel, scale, tls
}

extension Results {
  /// What a file holds.
  init(file: String) throws {
    guard FileManager.default.fileExists(atPath: file) else {
      throw BenchError("there is no file \(file); stream-bench run writes results.json")
    }
    do {
      self = try JSONDecoder().decode(Results.self, from: Data(TextFile.read(file).utf8))
    } catch {
      throw BenchError("\(file) holds no results of this program: \(error)")
    }
    guard format == Self.currentFormat else {
      throw BenchError("\(file) has the format \(format), and this program reads \(Self.currentFormat); measure again")
    }
  }

  func write(to file: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try TextFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: file)
  }
}
