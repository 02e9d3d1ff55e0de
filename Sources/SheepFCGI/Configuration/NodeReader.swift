import Yams

/// Reads one mapping of the file, key by key, and tells the problem list what is wrong.
///
/// Each method reads one key. It leaves the setting alone where the key is absent or wrong. Once `section` or `read`
/// is through, keys that nobody asked for are refused, with the nearest that somebody did ask for.
final class NodeReader {
  /// A key with its value, as it stands in the file.
  struct Entry {
    let key: String
    /// Of the key: an alias's value would point to where its anchor is.
    let line: Int?
    let value: Node
    /// For messages: `providers.holysheep.wire`.
    let path: String
  }

  /// Where this mapping's key is.
  let line: Int?
  let path: String
  let problems: ProblemList
  /// In the order of the file.
  let entries: [Entry]
  private var asked: [String] = []

  private init(_ mapping: Node.Mapping?, line: Int?, path: String, problems: ProblemList) {
    self.line = line
    self.path = path
    self.problems = problems
    var names: Set<String> = []
    entries = (mapping.map(Array.init) ?? []).compactMap { key, value in
      guard let name = key.scalar?.string else {
        problems.add(key.mark?.line, "a key is no text; write NAME: VALUE")
        return nil
      }
      // Keys whose tags differ are two for Yams.
      guard names.insert(name).inserted else {
        problems.add(key.mark?.line, "the key '\(name)' is there more than once in one mapping; keep one")
        return nil
      }
      return Entry(
        key: name, line: key.mark?.line ?? value.mark?.line, value: value, path: path.isEmpty ? name : "\(path).\(name)"
      )
    }
  }

  /// Reads the whole file's mapping.
  /// - Parameter isFree: its keys are free to choose.
  static func read(_ root: Node, isFree: Bool = false, problems: ProblemList, _ body: (NodeReader) -> Void) {
    guard case .mapping(let mapping) = root else {
      problems.add(root.mark?.line ?? 1, "the file is no mapping; write KEY: VALUE lines")
      return
    }
    let reader = NodeReader(mapping, line: 1, path: "", problems: problems)
    body(reader)
    if !isFree { reader.refuseTheRest() }
  }

  /// Reads a value that is a mapping of known keys. Nothing at all counts as an empty one.
  func section(_ entry: Entry, _ body: (NodeReader) -> Void) {
    guard let reader = mapping(entry) else { return }
    body(reader)
    reader.refuseTheRest()
  }

  func section(_ key: String, _ body: (NodeReader) -> Void) {
    if let entry = entry(key) { section(entry, body) }
  }

  /// The entries of a mapping whose keys are free to choose.
  func names(_ key: String) -> [Entry] {
    entry(key).flatMap(mapping)?.entries ?? []
  }

  private func mapping(_ entry: Entry) -> NodeReader? {
    switch entry.value {
    case .mapping(let mapping):
      return NodeReader(mapping, line: entry.line, path: entry.path, problems: problems)
    case .scalar where isNothing(entry.value):
      return NodeReader(nil, line: entry.line, path: entry.path, problems: problems)
    default:
      problem(entry, "is no mapping; write KEY: VALUE lines below it, or {}")
      return nil
    }
  }

  private func refuseTheRest() {
    for entry in entries where !asked.contains(entry.key) {
      let nearest = NearestName.nearest(to: entry.key, in: asked)
      problem(entry, "is an unknown key; " + (nearest.map { "did you mean \($0)?" } ?? "remove it"))
    }
  }

  /// The entry of a key, which is known from here on. Nil: absent.
  func entry(_ key: String) -> Entry? {
    asked.append(key)
    return entries.first { $0.key == key }
  }

  func problem(_ entry: Entry, _ text: String) {
    problems.add(entry.line, "\(entry.path) \(text)")
  }

  private func isNothing(_ node: Node) -> Bool {
    guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any else { return false }
    return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
  }
}

// MARK: - Values

extension NodeReader {
  /// Text that is not empty; a number counts as its digits. Nil, and a problem: anything else.
  func text(_ entry: Entry) -> String? {
    guard let scalar = entry.value.scalar else {
      problem(entry, "is a \(entry.value.isMapping ? "mapping" : "list"); write a single value")
      return nil
    }
    guard !isNothing(entry.value), !scalar.string.isEmpty else {
      problem(entry, "has no value; write one, or remove the line")
      return nil
    }
    return scalar.string
  }

  func text(_ key: String) -> String? {
    entry(key).flatMap(text)
  }

  /// The elements of a list, each with its own line; a single value counts as a list of one. None, and a problem: a
  /// mapping.
  func items(_ entry: Entry) -> [Entry] {
    guard !entry.value.isMapping else {
      problem(entry, "is a mapping; write a list, like [FIRST, SECOND]")
      return []
    }
    guard case .sequence(let sequence) = entry.value else { return [entry] }
    return sequence.map { Entry(key: entry.key, line: $0.mark?.line ?? entry.line, value: $0, path: entry.path) }
  }

  /// Without quotes: a quoted number is text.
  private func plain(_ entry: Entry, _ remedy: String) -> String? {
    guard let text = text(entry) else { return nil }
    guard entry.value.scalar?.style == .plain else {
      problem(entry, "is text; \(remedy), without quotes")
      return nil
    }
    return text
  }

  func integer(_ key: String, _ range: ClosedRange<Int>, _ setting: inout Int) {
    guard let entry = entry(key), let text = plain(entry, "write a whole number") else { return }
    guard let number = Int(text) else {
      problem(entry, "is no whole number; write digits alone, like 1024")
      return
    }
    guard range.contains(number) else {
      let bound = number < range.lowerBound ? "less than \(range.lowerBound)" : "more than \(range.upperBound)"
      problem(entry, "is \(bound); write a number from \(range.lowerBound) to \(range.upperBound)")
      return
    }
    setting = number
  }

  /// A finite number from zero on. Nil: absent or wrong.
  func amount(_ entry: Entry) -> Double? {
    guard let text = plain(entry, "write a number") else { return nil }
    guard let number = Double(text), number.isFinite, text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) }),
      number >= 0
    else {
      problem(entry, "is no number from zero on; write one, like 0.42")
      return nil
    }
    return number
  }

  func amount(_ key: String) -> Double? {
    entry(key).flatMap(amount)
  }

  func flag(_ key: String, _ setting: inout Bool) {
    guard let entry = entry(key), let text = plain(entry, "write true or false") else { return }
    switch text.lowercased() {
    case "true", "yes", "on": setting = true
    case "false", "no", "off": setting = false
    default: problem(entry, "is neither true nor false; write one of them")
    }
  }

  /// - Parameter zero: whether zero has a meaning here.
  func duration(_ key: String, zero: Bool = false, _ setting: inout Duration) {
    guard let entry = entry(key), let text = text(entry) else { return }
    guard let duration = DurationText.parse(text) else {
      let isBare = Int(text) != nil
      problem(entry, (isBare ? "has no unit; " : "is no duration up to 720h; ") + DurationText.remedy)
      return
    }
    guard duration > .zero || zero else {
      problem(entry, "is zero; write a longer time, or remove the line for the default")
      return
    }
    setting = duration
  }

  /// One of a few words.
  func choice<Value>(_ key: String, _ values: [(word: String, value: Value)], _ setting: inout Value) {
    guard let entry = entry(key), let text = text(entry) else { return }
    guard let found = values.first(where: { $0.word == text }) else {
      problem(entry, "has an unknown value; write \(values.map(\.word).joined(separator: " or "))")
      return
    }
    setting = found.value
  }
}

extension Node {
  fileprivate var isMapping: Bool { mapping != nil }
}
