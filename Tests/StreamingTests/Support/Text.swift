import Foundation

extension String {
  var bytes: [UInt8] { Array(utf8) }

  init(_ bytes: [UInt8]) {
    self.init(decoding: bytes, as: UTF8.self)
  }
}

/// JSON read by another's parser, so that ours does not judge itself.
func foundationJSON(_ bytes: [UInt8]) throws -> Any {
  try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
}

func foundationObject(_ bytes: [UInt8]) throws -> [String: Any] {
  struct NoObject: Error {}
  guard let object = try foundationJSON(bytes) as? [String: Any] else { throw NoObject() }
  return object
}
