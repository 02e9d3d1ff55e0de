import CFCGI

/// The header of one FastCGI record (specification, section 3.3), laid out as `FCGI_Header` of <fastcgi.h>.
public struct Record: Equatable, Sendable {
  public static let headerLength = Int(FCGI_HEADER_LEN)
  public static let contentBound = Int(FCGI_MAX_LENGTH)

  public var version = UInt8(FCGI_VERSION_1)
  public var type: UInt8
  public var requestID: UInt16
  public var contentLength: Int
  public var paddingLength = 0

  public init(type: Int32, requestID: UInt16, contentLength: Int) {
    self.type = UInt8(type)
    self.requestID = requestID
    self.contentLength = contentLength
  }

  /// - Parameter header: at least `headerLength` bytes.
  init(_ header: Span<UInt8>) {
    version = header[0]
    type = header[1]
    requestID = UInt16(header[2]) << 8 | UInt16(header[3])
    contentLength = Int(header[4]) << 8 | Int(header[5])
    paddingLength = Int(header[6])
  }

  /// The header as it is sent.
  var bytes: [8 of UInt8] {
    [
      version, type, UInt8(requestID >> 8), UInt8(requestID & 0xFF), UInt8(contentLength >> 8),
      UInt8(contentLength & 0xFF), UInt8(paddingLength), 0,
    ]
  }

  /// Appends the header.
  public func write(to output: inout [UInt8]) {
    output.append(bytes.span)
  }

  /// Appends a whole END_REQUEST record (section 5.5).
  static func writeEndRequest(_ requestID: UInt16, protocolStatus: Int32, to output: inout [UInt8]) {
    Record(type: FCGI_END_REQUEST, requestID: requestID, contentLength: 8).write(to: &output)
    output.append(contentsOf: [0, 0, 0, 0, UInt8(protocolStatus), 0, 0, 0])
  }

  /// Appends a whole UNKNOWN_TYPE record (section 4.2).
  static func writeUnknownType(_ type: UInt8, to output: inout [UInt8]) {
    Record(type: FCGI_UNKNOWN_TYPE, requestID: UInt16(FCGI_NULL_REQUEST_ID), contentLength: 8).write(to: &output)
    output.append(contentsOf: [type, 0, 0, 0, 0, 0, 0, 0])
  }

  /// Appends a whole GET_VALUES_RESULT record (section 4.1).
  static func writeValues(_ values: [(String, String)], to output: inout [UInt8]) {
    var content: [UInt8] = []
    for (name, value) in values {
      content.append(UInt8(name.utf8.count))
      content.append(UInt8(value.utf8.count))
      content.append(name)
      content.append(value)
    }
    Record(
      type: FCGI_GET_VALUES_RESULT, requestID: UInt16(FCGI_NULL_REQUEST_ID), contentLength: content.count
    ).write(to: &output)
    output.append(contentsOf: content)
  }
}
