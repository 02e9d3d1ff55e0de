import Streaming

/// `/metrics`: what a survey found, as Prometheus reads it. docs/operations.md has a row for each family.
struct MetricsText {
  private let survey: Survey
  private var writer: ExpositionWriter

  /// What a provider's attempt can fail with. Told from the start, as 0.
  private static let providerErrors: [Failure.Kind] = [
    .badRequest, .overloaded, .rateLimited, .upstreamUnreachable, .upstreamRejected, .upstreamFailed,
    .upstreamTruncated, .upstreamMalformed, .timeoutFirstToken, .timeoutIdle, .timeoutTotal,
  ]

  static func write(_ survey: Survey, _ format: ExpositionWriter.Format) -> [UInt8] {
    var text = MetricsText(survey: survey, writer: ExpositionWriter(format))
    text.writeFront()
    text.writeLimits()
    text.writeStreams()
    text.writeWaiting()
    text.writeProviders()
    text.writeOperation()
    text.writeProcess()
    text.writer.finish()
    return text.writer.bytes
  }

  // MARK: Families

  private mutating func writeFront() {
    writer.family(.counter, "sheepfcgi_requests", "Requests that have been answered; status 0: the client left before.")
    for (request, count) in survey.requests {
      writer.sample([("route", request.route.rawValue), ("status", String(request.status))], count)
    }
    gauge("sheepfcgi_connections", "Connections from the web server.", survey.connections)
    gauge("sheepfcgi_streams", "Streams that are open.", survey.streams)
    gauge("sheepfcgi_streams_queued", "Requests that wait for a stream to end.", survey.queued)
    gauge("sheepfcgi_streams_paused", "Open streams whose provider is paused, as the client is slow.", survey.paused)
  }

  private mutating func writeLimits() {
    writer.family(.counter, "sheepfcgi_limit_refusals", "Requests that a limit has refused, by which.")
    for limit in Limit.allCases {
      writer.sample([("limit", limit.rawValue)], survey.figures.refusals[limit] ?? 0)
    }
    gauge(
      "sheepfcgi_redis_away", "1 while limits are not counted together with other processes, as they should be.",
      survey.isRedisAway == true ? 1 : 0)
  }

  private mutating func writeStreams() {
    models(.counter, "sheepfcgi_tokens", "Pieces of visible text that providers sent.") { $0.tokens }
    writer.family(.counter, "sheepfcgi_usage_tokens", "Tokens that providers have counted, by type.")
    for (name, model) in survey.models {
      writer.sample([("model", name), ("type", "prompt")], model.promptTokens)
      writer.sample([("model", name), ("type", "completion")], model.completionTokens)
    }
    writer.family(
      .counter, "sheepfcgi_cost_dollars", unit: "dollars", "Cost by the providers' counts and the configured prices.")
    for (name, model) in survey.models { writer.sample([("model", name)], model.cost) }
    models(.counter, "sheepfcgi_sent_bytes", unit: "bytes", "Bytes of streams that the web server took.") {
      $0.sentBytes
    }
    models(.counter, "sheepfcgi_received_bytes", unit: "bytes", "Bytes of bodies that providers sent.") {
      $0.receivedBytes
    }
    writer.family(.counter, "sheepfcgi_streams_ended", "Streams that have ended, by how they did.")
    for (name, model) in survey.models {
      // The ordinary end from the start, so that a share of it can be told.
      for (type, count) in model.endings.merging(["done": 0], uniquingKeysWith: +).sorted(by: { $0.key < $1.key }) {
        writer.sample([("model", name), ("type", type)], count)
      }
    }
    models(.counter, "sheepfcgi_cancels", "Streams whose client left before the end.") {
      $0.endings[Lifecycle.Outcome.clientLeft.name] ?? 0
    }
    models(.counter, "sheepfcgi_stalls", "Streams whose client was cut off, as it took nothing for too long.") {
      $0.endings[Lifecycle.Outcome.clientStalled.name] ?? 0
    }
    models(.counter, "sheepfcgi_retries", "Further attempts on the same model.") { $0.retries }
    models(.counter, "sheepfcgi_fallbacks", "Times that another model was asked in place of this one.") {
      $0.fallbacks
    }
  }

  private mutating func writeWaiting() {
    histograms("sheepfcgi_first_token_seconds", "From a request's arrival to its first token.", \.firstToken)
    histograms("sheepfcgi_token_gap_seconds", "Between two tokens of a stream, as they came.", \.tokenGap)
    histograms("sheepfcgi_stream_duration_seconds", "Of streams that have ended.", \.duration)
    writer.family(
      .counter, "sheepfcgi_stream_seconds", unit: "seconds", "Time of streams by whom was waited for.")
    for (name, model) in survey.models {
      let labels = [("model", name)]
      writer.sample(labels + [("waiting_for", "provider")], Double(model.waitedForProvider) / 1e9)
      writer.sample(labels + [("waiting_for", "client")], Double(model.waitedForClient) / 1e9)
    }
  }

  private mutating func writeProviders() {
    writer.family(.counter, "sheepfcgi_provider_errors", "Attempts that failed, by type.")
    for provider in survey.providers {
      let errors = survey.errors(of: provider)
      for kind in Failure.Kind.allCases where errors[kind] != nil || Self.providerErrors.contains(kind) {
        writer.sample([("provider", provider), ("type", kind.rawValue)], errors[kind] ?? 0)
      }
    }
    writer.family(.gauge, "sheepfcgi_breaker_open", "1 while the provider is left out after failures in a row.")
    for (provider, isOpen) in survey.breakers { writer.sample([("provider", provider)], isOpen ? 1 : 0) }
  }

  private mutating func writeOperation() {
    writer.family(.counter, "sheepfcgi_log_lines_lost", "Lines that could not be written.")
    writer.sample([], survey.lostLogLines)
    gauge("sheepfcgi_draining", "1 while the process takes no more and ends.", survey.isDraining ? 1 : 0)
    gauge("sheepfcgi_workers", "Threads that serve.", survey.workers)
    gauge(
      "sheepfcgi_workers_silent", "Threads that did not answer; their figures are missing here.", survey.silent.count)
    gauge(
      "sheepfcgi_other_processes", "Further processes on the same socket, whose figures are not here.",
      survey.otherProcesses)
    writer.family(.info, "sheepfcgi_build", "What is running.")
    writer.sample([("version", Program.version)], 1)
  }

  /// By the names that every client library of Prometheus uses.
  private mutating func writeProcess() {
    writer.family(
      .gauge, "process_start_time_seconds", unit: "seconds", "Start of the process, in seconds since 1970.")
    writer.sample([], survey.startedAt)
    writer.family(.counter, "process_cpu_seconds", unit: "seconds", "User and system CPU time.")
    writer.sample([], survey.process.cpuSeconds)
    gauge("process_resident_memory_bytes", unit: "bytes", "Resident memory.", survey.process.residentBytes)
    gauge("process_open_fds", "Open file descriptors.", survey.process.openDescriptors)
    gauge("process_max_fds", "Most file descriptors that may be open.", survey.process.descriptorBound)
  }

  // MARK: Shapes

  private mutating func gauge(_ name: String, unit: String? = nil, _ help: String, _ value: Int) {
    writer.family(.gauge, name, unit: unit, help)
    writer.sample([], value)
  }

  private mutating func models(
    _ kind: ExpositionWriter.Kind, _ name: String, unit: String? = nil, _ help: String, _ value: (ModelFigures) -> Int
  ) {
    writer.family(kind, name, unit: unit, help)
    for (name, model) in survey.models { writer.sample([("model", name)], value(model)) }
  }

  private mutating func histograms(
    _ name: String, _ help: String, _ histogram: KeyPath<ModelFigures, LatencyHistogram>
  ) {
    writer.family(.histogram, name, unit: "seconds", help)
    for (name, model) in survey.models { writer.sample([("model", name)], model[keyPath: histogram]) }
  }
}
