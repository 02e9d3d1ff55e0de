/// What a FastCGI web server reads from us: records, taken apart here from the specification.
struct ReadRecord: Equatable {
  var type: UInt8
  var id: UInt16
  var content: [UInt8]

  static func endRequest(id: UInt16, status: UInt8) -> ReadRecord {
    ReadRecord(type: 3, id: id, content: [0, 0, 0, 0, status, 0, 0, 0])
  }

  /// - Returns: nil where the bytes are no whole number of records.
  static func all(_ bytes: [UInt8]) -> [ReadRecord]? {
    var records: [ReadRecord] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let header = Array(rest.prefix(8))
      guard header.count == 8, header[0] == 1 else { return nil }
      let length = Int(header[4]) << 8 | Int(header[5])
      rest = rest.dropFirst(8)
      guard rest.count >= length + Int(header[6]) else { return nil }
      records.append(
        ReadRecord(type: header[1], id: UInt16(header[2]) << 8 | UInt16(header[3]), content: Array(rest.prefix(length)))
      )
      rest = rest.dropFirst(length + Int(header[6]))
    }
    return records
  }
}
