/// The ways in which the same bytes may arrive. A parser must make the same of each.
enum Chunkings {
  /// In one piece, byte by byte, cut once at every place, and cut at random ones.
  static func of(_ bytes: [UInt8], seed: UInt64 = 1) -> [[[UInt8]]] {
    [[bytes], byteByByte(bytes)] + everySplit(bytes) + randomSplits(bytes, seed: seed, count: 20)
  }

  static func byteByByte(_ bytes: [UInt8]) -> [[UInt8]] { bytes.map { [$0] } }

  /// Two pieces; either may be empty.
  static func everySplit(_ bytes: [UInt8]) -> [[[UInt8]]] {
    (0...bytes.count).map { [Array(bytes[..<$0]), Array(bytes[$0...])] }
  }

  /// Pieces of so many bytes; 0: all in one.
  static func pieces(_ bytes: [UInt8], of size: Int) -> [[UInt8]] {
    guard size > 0 else { return [bytes] }
    return stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
  }

  static func randomSplits(_ bytes: [UInt8], seed: UInt64, count: Int) -> [[[UInt8]]] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      var pieces: [[UInt8]] = []
      var rest = bytes[...]
      while !rest.isEmpty {
        let piece = rest.prefix(Int.random(in: 0...max(1, bytes.count / 4), using: &random))
        pieces.append(Array(piece))
        rest = rest.dropFirst(piece.count)
      }
      return pieces
    }
  }
}
