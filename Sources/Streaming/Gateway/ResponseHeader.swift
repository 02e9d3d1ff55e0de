/// HTTP's names for the statuses that we send.
public enum HTTPStatus {
  public static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 204: "No Content"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 413: "Content Too Large"
    case 415: "Unsupported Media Type"
    case 429: "Too Many Requests"
    case 500: "Internal Server Error"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    default: "Status \(status)"
    }
  }
}

/// The head of an answer as CGI writes it (RFC 3875, section 6).
public struct ResponseHeader: Equatable, Sendable {
  public var status: Int
  /// In the order in which they are sent. A value must hold no control byte.
  public var fields: [(name: String, value: String)]

  public init(status: Int, _ fields: [(name: String, value: String)] = []) {
    self.status = status
    self.fields = fields
  }

  public static func == (a: ResponseHeader, b: ResponseHeader) -> Bool {
    a.status == b.status && a.fields.elementsEqual(b.fields) { $0 == $1 }
  }

  public func write(to output: inout [UInt8]) {
    output.append("Status: ")
    output.append(decimal: status)
    output.append(" ")
    output.append(HTTPStatus.reason(status))
    output.append("\r\n")
    for (name, value) in fields {
      output.append(name)
      output.append(": ")
      output.append(value)
      output.append("\r\n")
    }
    output.append("\r\n")
  }

  /// The head of an event stream. The last field makes nginx pass each read on at once.
  static let eventStream = ResponseHeader(
    status: 200,
    [
      ("Content-Type", "text/event-stream; charset=utf-8"),
      ("Cache-Control", "no-cache, no-transform"),
      ("X-Accel-Buffering", "no"),
    ])
}
