import Streaming

/// What the streams of a load brought.
struct Tally {
  /// From the provider's stamp to the client.
  var delay = Histogram()
  /// From the connect to the first token.
  var firstToken = Histogram()
  /// From token to token within a stream.
  var gap = Histogram()
  var tokens = 0
  var bytes = 0
  var completed = 0
  /// Clients that left on purpose.
  var left = 0
  var lost = 0
  var doubled = 0
  var outOfOrder = 0
  /// Streams that failed, by what is wrong with them.
  private(set) var failures: [String: Int] = [:]

  var failed: Int { failures.values.reduce(0, +) }

  /// Different reasons that are told; more would only fill the report.
  private static let reasons = 20

  mutating func fail(_ reason: String) {
    let isTold = failures[reason] != nil || failures.count < Self.reasons
    failures[isTold ? reason : "and others", default: 0] += 1
  }

  /// Counts what the check of one stream found.
  mutating func add(_ check: TokenCheck) {
    lost += check.lost
    doubled += check.doubled
    outOfOrder += check.outOfOrder
  }
}
