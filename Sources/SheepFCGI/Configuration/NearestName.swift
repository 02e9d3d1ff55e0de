/// Finds what somebody may have meant.
enum NearestName {
  /// The name that differs least from `word`. Nil: all differ too much for a guess.
  static func nearest(to word: String, in names: [String]) -> String? {
    let nearest = names.map { (name: $0, distance: distance(word, $0)) }.min { $0.distance < $1.distance }
    guard let nearest, nearest.distance <= max(1, min(word.count, nearest.name.count) / 3) else { return nil }
    return nearest.name
  }

  /// Single letters to insert, delete or change, or neighbours to swap, until one word is the other (Damerau).
  private static func distance(_ first: String, _ second: String) -> Int {
    let (a, b) = (Array(first.lowercased().utf8), Array(second.lowercased().utf8))
    var beforeLast: [Int] = []
    var last = Array(0...b.count)
    for (i, letter) in a.enumerated() {
      var row = [i + 1]
      for (j, other) in b.enumerated() {
        var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (letter == other ? 0 : 1))
        if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other { best = min(best, beforeLast[j - 1] + 1) }
        row.append(best)
      }
      (beforeLast, last) = (last, row)
    }
    return last[b.count]
  }
}
