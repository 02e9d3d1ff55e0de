import Streaming

/// In which form an operator wants to see how the process stands.
struct OperatorView {
  private enum Form {
    case metrics(ExpositionWriter.Format)
    case text
    case json
    case page
  }

  private let form: Form
  private let isFull: Bool

  /// By the path, the words of the query, and where those say nothing, by what the client would rather have.
  init(_ request: Request) {
    let accept = Accept(request.params["HTTP_ACCEPT"])
    let words = (request.params["QUERY_STRING"] ?? "").split(separator: "&").map { $0.prefix { $0 != "=" } }
    isFull = words.contains("full")
    form =
      if request.path == "/metrics" {
        .metrics(accept.prefers("application/openmetrics-text", to: "text/plain") ? .openMetrics : .text)
      } else if words.contains("json") {
        .json
      } else if words.contains("text") {
        .text
      } else if words.contains("html") || accept.prefers("text/html", to: "text/plain") {
        .page
      } else {
        .text
      }
  }

  /// Whether each running stream is told.
  var needsStreams: Bool {
    switch form {
    case .metrics: false
    case .page: true
    case .text, .json: isFull
    }
  }

  func answer(_ survey: Survey) -> (body: [UInt8], type: String, fields: [(name: String, value: String)]) {
    switch form {
    case .metrics(let format): return (MetricsText.write(survey, format), format.contentType, [])
    case .text: return (StatusReport(survey, isFull: isFull).text, "text/plain; charset=utf-8", [])
    case .json: return (StatusReport(survey, isFull: isFull).json, "application/json", [])
    case .page:
      let page = StatusPage(survey, isFull: isFull)
      return (page.body, "text/html; charset=utf-8", page.fields)
    }
  }
}
