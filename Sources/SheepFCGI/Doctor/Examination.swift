import Glibc

/// All checks, in the order in which what they look at is needed.
struct Examination {
  private(set) var findings: [Finding] = []

  /// Debian's, where nginx's own configuration cannot be seen.
  private static let usualUser = "www-data"

  /// - Parameters:
  ///   - nginxFile: the output of `nginx -T`; nil: nginx is asked.
  ///   - isOffline: providers are left alone.
  init(_ options: ServeOptions, nginxFile: String?, isOffline: Bool, _ environment: [String: String]) {
    let configuration = ConfigurationCheck(options, environment)
    findings += configuration.findings
    // Without them listeners and nginx can still be looked at.
    let settings = configuration.settings ?? Settings()
    let addresses = options.listen.isEmpty ? settings.listen : options.listen
    let nginx = NginxSource.read(file: nginxFile, environment)
    findings += SocketCheck(addresses, settings, environment, web: Self.webServer(nginx)).findings
    findings += DescriptorCheck(settings).findings
    findings += LogCheck(settings.log).findings
    switch nginx {
    case .found(let directives): findings += NginxCheck(directives, addresses, settings).findings
    case .missing(let finding): findings.append(finding)
    }
    guard !isOffline else { return }
    if let redis = settings.redis { findings += RedisCheck(redis).findings }
    findings += ProviderCheck(settings).findings
  }

  /// Whom nginx's processes run as.
  private static func webServer(_ source: NginxSource) -> PathAccess? {
    var user: NginxDirective?
    if case .found(let configuration) = source { user = configuration.directives.last("user") }
    let name = user?.value ?? usualUser
    guard let number = try? Account.user(name), let primary = Account.primaryGroup(of: name) else { return nil }
    let group = user?.arguments.dropFirst().first.flatMap { try? Account.group($0) } ?? primary
    return PathAccess(name: name, user: number, groups: Account.groups(of: name, primary: group))
  }
}
