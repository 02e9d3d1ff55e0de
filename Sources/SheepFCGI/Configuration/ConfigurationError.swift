/// All that is wrong with the configuration, so that it can be put right in one go.
struct ConfigurationError: Error, CustomStringConvertible {
  let problems: [Problem]

  /// One thing that is wrong, said as `PLACE: what is wrong; what to do`. Never holds a key.
  struct Problem: CustomStringConvertible {
    /// `FILE:LINE`, the file alone, or an environment variable.
    let place: String
    let text: String

    var description: String { "\(place): \(text)" }
  }

  /// One line a problem.
  var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Collects the problems of one file while it is read.
final class ProblemList {
  private let file: String
  private var found: [(line: Int, problem: ConfigurationError.Problem)] = []
  /// Of the files that this one names.
  private var ofOtherFiles: [ConfigurationError.Problem] = []

  init(file: String) {
    self.file = file
  }

  /// - Parameter line: from 1; nil: the file as a whole.
  func add(_ line: Int?, _ text: String) {
    found.append((line ?? 0, .init(place: place(line), text: text)))
  }

  /// What is wrong with a file that this one names.
  func add(_ error: ConfigurationError) {
    ofOtherFiles += error.problems
  }

  /// A line as messages name it.
  func place(_ line: Int?) -> String {
    line.map { "\(file):\($0)" } ?? file
  }

  /// Throws what was found, in the order of the file.
  func throwIfAny() throws(ConfigurationError) {
    guard !found.isEmpty || !ofOtherFiles.isEmpty else { return }
    let ordered = found.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
    throw ConfigurationError(problems: ordered.map(\.element.problem) + ofOtherFiles)
  }
}
