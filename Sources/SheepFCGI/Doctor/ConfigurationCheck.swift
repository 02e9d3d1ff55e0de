import Glibc

/// Whether the configuration is right, keys are there, and the files that hold them are for our eyes alone.
struct ConfigurationCheck {
  private(set) var findings: [Finding] = []
  /// Nil: they cannot be used, even without the keys that are missing.
  private(set) var settings: Settings?

  init(_ options: ServeOptions, _ environment: [String: String]) {
    let subject = options.config ?? "environment"
    do throws(ConfigurationError) {
      settings = try options.settings(environment)
    } catch {
      for problem in error.problems { tell(problem) }
      // With the other checks there may be more to put right; a key that is missing keeps none of them from it.
      settings = try? options.settings(environment, toleratesMissingKeys: true)
    }
    guard let settings else { return }
    if findings.isEmpty {
      let models = settings.providers.map(\.models.count).reduce(0, +)
      let what = "\(settings.providers.count) provider(s), \(models) model(s), default \(settings.defaultModel)"
      findings.append(.ok("configuration.file", subject, what))
      checkKeys(settings)
    }
    for provider in settings.providers { for file in provider.secretFiles { checkSecret(file) } }
    if let access = settings.clientKeys { checkSecret(access.file) }
  }

  private mutating func tell(_ problem: ConfigurationError.Problem) {
    let parts = problem.text.split(separator: ";", maxSplits: 1)
    let remedy = parts.count > 1 ? parts[1].drop { $0 == " " } : "put it right"
    findings.append(.problem("configuration.file", problem.place, String(parts.first ?? ""), String(remedy)))
  }

  /// Those whose absence is no error of the configuration.
  private mutating func checkKeys(_ settings: Settings) {
    let missing = settings.providers.filter { $0.missingKey != nil }
    guard !missing.isEmpty else { return }
    let variables = missing.compactMap(\.missingKey).joined(separator: " or ")
    let hasNone = missing.count == settings.providers.count
    findings.append(
      Finding(
        level: hasNone ? .problem : .warning, check: "configuration.key",
        subject: missing.map(\.name).joined(separator: ", "), text: hasNone ? "no provider has its key" : "no key",
        remedy: "set \(variables) where the program is started"))
  }

  private mutating func checkSecret(_ path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    let others = PathAccess.others
    if others.may(.read, status), others.barrier(above: path) == nil {
      findings.append(
        .problem(
          "configuration.secret_file", path, "any user of this machine can read the key in it", "chmod o-rwx \(path)"))
    } else {
      findings.append(.ok("configuration.secret_file", path, "others cannot read it"))
    }
  }
}
