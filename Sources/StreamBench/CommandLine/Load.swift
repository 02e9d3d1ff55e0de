import ArgumentParser
import Foundation

/// `stream-bench load`: one load, for whoever wants to see a single figure.
struct Load: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "One load on a URL that streams the mock provider's tokens; the result is JSON.",
    discussion: "Exits with 1 where a stream failed, or a token was lost, doubled or out of order.")

  @Argument(help: "http://ADDRESS:PORT/PATH", transform: { try Target($0) })
  var url: Target

  @Option(help: "What the mock provider shall do.")
  var prompt = "n=100 rate=50 size=20"

  @Flag(help: "POST an OpenAI request, as /v1/chat/completions takes it; else GET with ?prompt=.")
  var post = false

  @Option(help: "Streams at once.")
  var streams = 1

  @Option(help: "Streams in all. (default: as many as at once)")
  var total: Int?

  @Option(help: "Tokens that each stream must have. (default: the prompt's n=)")
  var expect: Int?

  @Option(help: "Streams opened a second. (default: all at once)")
  var ramp: Double?

  @Option(help: "Leave after so many tokens.")
  var leaveAfter: Int?

  @Option(help: "Bytes a second that each client reads, with a small receive buffer.")
  var readRate: Int?

  @Flag(help: "Use a connection again for the next stream.")
  var keepAlive = false

  @Option(help: "Seconds until what is still open is given up.")
  var timeout = 60.0

  func validate() throws {
    guard streams > 0, total ?? 1 > 0 else { throw ValidationError("--streams and --total start at 1") }
    guard leaveAfter ?? 1 > 0 else { throw ValidationError("--leave-after starts at 1") }
    guard expect ?? 0 >= 0, readRate ?? 0 >= 0 else {
      throw ValidationError("--expect and --read-rate start at 0")
    }
    // Not a number is in no range.
    guard (0.001...Self.day).contains(timeout) else {
      throw ValidationError("--timeout is from 0.001 to 86400 seconds, a day")
    }
    guard (0.001...1_000_000).contains(ramp ?? 1) else {
      throw ValidationError("--ramp is from 0.001 to 1000000 streams a second; without it all are opened at once")
    }
  }

  private static let day = 86400.0

  private var plan: LoadPlan {
    var plan = LoadPlan(target: url, prompt: prompt)
    plan.isPost = post
    plan.streams = streams
    plan.total = total ?? streams
    plan.expectedTokens = leaveAfter == nil ? expect ?? tokensOfPrompt : nil
    plan.ramp = ramp
    plan.leaveAfter = leaveAfter
    plan.slow = readRate.map { .init(count: streams, bytesPerSecond: $0, receiveBufferBytes: 4096) }
    plan.keepsConnections = keepAlive
    plan.timeout = .seconds(timeout)
    return plan
  }

  private var tokensOfPrompt: Int? {
    prompt.split(separator: " ").lazy.compactMap { $0.hasPrefix("n=") ? Int($0.dropFirst(2)) : nil }.first
  }

  func run() throws {
    Interruption.install()
    Descriptors.raiseLimit(to: plan.streams + 64)
    let result: LoadResult
    do {
      result = try LoadClient(plan).run()
    } catch let error as Interruption.Interrupted {
      throw ExitStatus.interrupted(error)
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(result), as: UTF8.self))
    let tally = result.tally
    let isClean = tally.failed + tally.lost + tally.doubled + tally.outOfOrder == 0
    guard isClean, result.unfinished == 0 || plan.slow != nil else { throw ExitCode(1) }
  }
}
