/// Whether the tokens of one stream, which carry their numbers, came once each and in order.
struct TokenCheck {
  /// The number that is due next: one above the highest seen.
  private(set) var next = 0
  /// Numbers passed over, which may still come late.
  private var missing: [Range<Int>] = []
  private(set) var lost = 0
  private(set) var doubled = 0
  private(set) var outOfOrder = 0

  /// Holes that are remembered; a relay that makes more is wrong beyond telling its late tokens from doubled ones.
  private static let remembered = 64

  mutating func receive(_ number: Int) {
    if number == next {
      next += 1
    } else if number > next {
      lost += number - next
      if missing.count < Self.remembered { missing.append(next..<number) }
      next = number + 1
    } else {
      takeLate(number)
    }
  }

  /// The stream ended, and had so many tokens.
  mutating func end(expected: Int) {
    guard next < expected else { return }
    lost += expected - next
    next = expected
  }

  /// Each token came, once, in order.
  var isClean: Bool { lost == 0 && doubled == 0 && outOfOrder == 0 }

  private mutating func takeLate(_ number: Int) {
    guard let index = missing.firstIndex(where: { $0.contains(number) }) else {
      doubled += 1
      return
    }
    let hole = missing.remove(at: index)
    if hole.lowerBound < number { missing.append(hole.lowerBound..<number) }
    if number + 1 < hole.upperBound { missing.append(number + 1..<hole.upperBound) }
    lost -= 1
    outOfOrder += 1
  }
}
