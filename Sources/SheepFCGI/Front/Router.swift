import Streaming

/// Finds what a request asks for, and answers what needs no provider at once. Bound to its worker's thread.
struct Router {
  private unowned let worker: Worker

  init(_ worker: Worker) {
    self.worker = worker
  }

  /// Answers the request, or starts the exchange that will.
  func handle(_ request: Request, from connection: Connection) {
    let crossOrigin = CrossOrigin(
      allowed: worker.settings.cors.allowOrigins, allowsCredentials: worker.settings.cors.allowCredentials)
    var context = RequestContext(request, crossOrigin, at: worker.now)
    do throws(Failure) {
      context.key = try ClientCheck.key(of: request, worker.settings.clientKeys)
      if let defect = request.defect { throw defect }
      switch request.path {
      case "/stream", "/stream-backpressure":
        try answer(request, as: .stream, context, crossOrigin, from: connection)
      case "/v1/chat/completions":
        try answer(request, as: .chatCompletions, context, crossOrigin, from: connection)
      case "/v1/models":
        try answerModels(request, context, crossOrigin, connection)
      case "/ping":
        try Self.allowReading(request, allow: "GET, HEAD")
        answer(Array("pong\n".utf8), type: "text/plain; charset=utf-8", context, connection)
      case "/status", "/metrics":
        try answerOperator(request, context, connection)
      case let path where path.hasPrefix("/v1/models/"):
        try answerModels(request, context, crossOrigin, connection)
      default:
        throw Failure(
          .badRequest, status: 404, "there is nothing at \(request.path.prefix(200)); see /stream and /v1/models")
      }
    } catch {
      refuse(error, context, connection)
    }
  }

  private func answer(
    _ request: Request, as dialect: Ask.Dialect, _ context: RequestContext, _ crossOrigin: CrossOrigin,
    from connection: Connection
  ) throws(Failure) {
    let allow = dialect == .stream ? "GET, POST, OPTIONS" : "POST, OPTIONS"
    switch request.method {
    case "POST", "OPTIONS": break
    case "GET" where dialect == .stream: break
    default: throw Self.notAllowed(request, allow: allow)
    }
    if request.method == "OPTIONS" { return answerPreflight(request, allow, context, crossOrigin, connection) }
    guard crossOrigin.admits(request.params) else {
      throw Failure(
        .badRequest, status: 403, "a page of another site asks; its origin must stand in cors.allow_origins")
    }
    if request.method == "GET", request.params["HTTP_LAST_EVENT_ID"]?.hasSuffix(".end") == true {
      // An EventSource that nobody closed comes back for what it has had: 204 tells it to stop.
      return answer(status: 204, [], context, connection)
    }
    if let failure = lackOfRoom {
      // Nothing is counted of it; but what is wrong with it will be wrong later too.
      _ = try StreamPlan(request, context, nil, as: dialect, on: worker)
      throw failure
    }
    // Before the body is read.
    let admission = try ClientCheck.admission(of: request, context.key, on: worker)
    worker.begin(try StreamPlan(request, context, admission, as: dialect, on: worker), for: connection)
  }

  private var lackOfRoom: Failure? {
    if worker.isDraining { return Worker.shuttingDown }
    if worker.hasRoom { return nil }
    return Failure(.overloaded, "all of the server's streams are taken; ask again", retryAfter: 1)
  }

  /// All of them, or the one that the path names.
  private func answerModels(
    _ request: Request, _ context: RequestContext, _ crossOrigin: CrossOrigin, _ connection: Connection
  ) throws(Failure) {
    // OpenAI's libraries send a key, so that a browser asks first.
    let allow = "GET, HEAD, OPTIONS"
    if request.method == "OPTIONS" { return answerPreflight(request, allow, context, crossOrigin, connection) }
    try Self.allowReading(request, allow: allow)
    let models = ModelList(of: worker.settings, for: context.key)
    let body: [UInt8]
    if request.path == "/v1/models" {
      body = models.body
    } else {
      let name = String(request.path.dropFirst("/v1/models/".count))
      guard let one = models.body(of: name) else { throw .unknownModel(name, status: 404) }
      body = one
    }
    answer(body, type: "application/json", context, connection)
  }

  /// `/status` or `/metrics`, once all workers have told how they stand.
  private func answerOperator(
    _ request: Request, _ context: RequestContext, _ connection: Connection
  ) throws(Failure) {
    try Self.allowReading(request, allow: "GET, HEAD")
    guard worker.settings.status.allow.admit(remoteAddress: request.params["REMOTE_ADDR"]) else {
      throw Failure(
        .badRequest, status: 403, "\(request.path) is for operators; their addresses stand in status.allow")
    }
    let view = OperatorView(request)
    let callOff = worker.census.ask(isFull: view.needsStreams) { [unowned worker, unowned connection] reports in
      let answer = view.answer(Survey(reports, of: worker))
      worker.router.answer(
        answer.body, type: answer.type, more: answer.fields, context, connection)
    }
    connection.awaitAnswer(callOff)
  }

  /// The web server leaves the body of a HEAD's answer out.
  private static func allowReading(_ request: Request, allow: String) throws(Failure) {
    guard ["GET", "HEAD"].contains(request.method) else { throw notAllowed(request, allow: allow) }
  }

  private static func notAllowed(_ request: Request, allow: String) -> Failure {
    Failure(
      .badRequest, status: 405, "\(request.path) does not take \(request.method.prefix(20)); use \(allow)", allow: allow
    )
  }

  // MARK: Answers that are whole at once

  private func refuse(_ failure: Failure, _ context: RequestContext, _ connection: Connection) {
    let form = FailureForm(path: context.route)
    var header = form.header(failure)
    header.fields += context.fields
    send(header, form.body(failure), context, connection, ended: failure.kind.rawValue, limit: failure.limit)
  }

  private func answer(
    _ body: [UInt8], type: String, more fields: [(name: String, value: String)] = [], _ context: RequestContext,
    _ connection: Connection
  ) {
    let header = ResponseHeader(
      status: 200, [("Content-Type", type), ("Cache-Control", "no-store")] + fields + context.fields)
    send(header, body, context, connection, ended: "done")
  }

  private func answerPreflight(
    _ request: Request, _ allow: String, _ context: RequestContext, _ crossOrigin: CrossOrigin,
    _ connection: Connection
  ) {
    answer(status: 204, crossOrigin.preflight(request.params, allow: allow), context, connection)
  }

  private func answer(
    status: Int, _ fields: [(name: String, value: String)], _ context: RequestContext, _ connection: Connection
  ) {
    send(ResponseHeader(status: status, fields + context.fields), [], context, connection, ended: "done")
  }

  private func send(
    _ header: ResponseHeader, _ body: [UInt8], _ context: RequestContext, _ connection: Connection, ended: String,
    limit: Limit? = nil
  ) {
    var bytes: [UInt8] = []
    header.write(to: &bytes)
    bytes += body
    if let limit { worker.tally.refused(limit) }
    worker.tally.requestEnded(route: context.route, status: header.status)
    worker.accessLog.write(
      context, status: header.status, ended: ended, limit: limit, bytes: bytes.count, at: worker.now)
    connection.complete(bytes)
  }
}
