import Streaming

/// How much is asked in each phase.
struct Extent {
  var startups: Int
  /// How often the time to the first token and the requests a second are measured, for a median.
  var repeats: Int
  var pacedStreams: Int
  var pacedTotal: Int
  var pacedTokens: Int
  var ttftRequests: Int
  var rpsRequests: Int
  var floodStreams: Int
  var floodTokens: Int
  var idleStreams: Int
  var idleTokens: Int
  var slowTime: Duration
  var cancelStreams: Int
  var scaleStreams: [Int]
  var scaleTokens: Int
  var tlsStreams: Int

  /// That nginx takes for the largest load, two a stream, and some more; 65,536 at most.
  var descriptors: Int {
    let streams = ([pacedStreams, idleStreams, cancelStreams, tlsStreams] + scaleStreams).max() ?? 0
    return min(streams * 2 + Self.spareDescriptors, 65536)
  }

  /// For logs, listeners and what nginx keeps open, up to 512 connections each to relay and provider.
  static let spareDescriptors = 2048

  static let full = Extent(
    startups: 10, repeats: 3, pacedStreams: 300, pacedTotal: 600, pacedTokens: 100, ttftRequests: 500,
    rpsRequests: 10_000, floodStreams: 64, floodTokens: 20_000, idleStreams: 5_000, idleTokens: 15,
    slowTime: .seconds(8), cancelStreams: 300, scaleStreams: [100, 500, 1_000, 2_000, 4_000, 8_000], scaleTokens: 15,
    tlsStreams: 1_000)

  /// A look at everything in two minutes; its figures are noisier.
  static let quick = Extent(
    startups: 3, repeats: 1, pacedStreams: 300, pacedTotal: 300, pacedTokens: 50, ttftRequests: 300, rpsRequests: 3_000,
    floodStreams: 32, floodTokens: 20_000, idleStreams: 1_000, idleTokens: 4, slowTime: .seconds(3),
    cancelStreams: 300, scaleStreams: [100, 1_000], scaleTokens: 5, tlsStreams: 500)
}
