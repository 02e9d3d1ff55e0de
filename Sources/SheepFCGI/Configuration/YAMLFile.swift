import Yams

/// A YAML file as its tree. What keeps it from being read at all is told here, and alone.
enum YAMLFile {
  /// - Parameters:
  ///   - whenEmpty: what to write into a file that holds nothing.
  ///   - problems: those of the file, which are thrown.
  static func read(
    _ path: String, limitBytes: Int, whenEmpty: String, _ problems: ProblemList
  ) throws(ConfigurationError) -> Node {
    do {
      // No rules: a scalar is read as the type that its key needs. The encoding is named, as Yams would ask (and
      // report on standard output) an environment variable of its own.
      let text = try FileContents.read(path, limitBytes: limitBytes)
      if let root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot() { return root }
      problems.add(nil, "the file is empty; \(whenEmpty)")
    } catch let error as YamlError {
      let (line, text) = explain(error)
      problems.add(line, text)
    } catch let error as SystemError {
      problems.add(nil, "cannot be read: \(error.why)")
    } catch {
      problems.add(nil, "cannot be read as YAML")
    }
    try problems.throwIfAny()
    return [:]
  }

  /// Yams's own descriptions quote the file, which may hold what it should not.
  private static func explain(_ error: YamlError) -> (line: Int?, text: String) {
    let remedy = "put the YAML right (indent with spaces, quote what holds ': ' or ' #')"
    switch error {
    case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      // Unlike the other descriptions these texts are fixed ones.
      let whole = [context?.text, problem].compactMap { $0 }.joined(separator: " ")
      return (mark.line, "is no valid YAML: \(whole); \(remedy)")
    case .duplicatedKeysInMapping(let keys, let context):
      let names = keys.map { "'\($0)'" }.joined(separator: ", ")
      return (context.mark.line, "the key \(names) is there more than once in one mapping; keep one")
    case .reader(let problem, let offset, _, let yaml):
      let line = offset.map { 1 + yaml.prefix($0).count(where: \.isNewline) }
      return (line, "is no valid YAML: \(problem); save it as plain UTF-8 text")
    default:
      return (nil, "is no valid YAML; \(remedy)")
    }
  }
}
