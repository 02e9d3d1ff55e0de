/// Looks at every place of nginx's configuration that leads to us.
struct NginxCheck {
  private(set) var findings: [Finding] = []

  init(_ configuration: NginxConfiguration, _ addresses: [ListenAddress], _ settings: Settings) {
    // Without an address nothing can be told to be ours.
    guard !addresses.isEmpty else { return }
    let passes = NginxPass.all(in: configuration)
    var found: [(pass: NginxPass, upstream: NginxUpstream)] = []
    for pass in passes {
      let upstream = NginxUpstream(pass.target, in: configuration)
      if addresses.contains(where: upstream.leads) { found.append((pass, upstream)) }
    }
    guard !found.isEmpty else {
      let places = addresses.map(\.description).joined(separator: " or ")
      if let unknown = passes.first(where: { $0.target.contains("$") }) {
        findings.append(
          .warning(
            "nginx.pass", unknown.title,
            "a variable says where it passes to: no location is known to lead to \(places)",
            "name an upstream in its place, to have it looked at"))
        return
      }
      findings.append(
        .problem(
          "nginx.pass", "nginx", "no location passes to \(places)",
          "include sheep_http.conf and sheep.conf, and name the socket in the upstream"))
      return
    }
    for (pass, upstream) in found {
      let told = NginxRules(pass, upstream, settings).findings
      // What is wrong with an upstream is told once.
      for finding in told where !findings.contains(finding) { findings.append(finding) }
      if told.isEmpty { findings.append(.ok("nginx.location", pass.title, "in order")) }
    }
    findings += NginxCapacity(configuration, settings).findings
  }
}

/// Whether nginx can hold as many connections as there are to be streams.
struct NginxCapacity {
  private(set) var findings: [Finding] = []

  /// nginx's own.
  private static let presetConnections = 512
  /// What a process is given where nobody sets it: systemd's and most shells' soft limit.
  private static let usualDescriptors = 1024

  init(_ configuration: NginxConfiguration, _ settings: Settings) {
    let main = configuration.directives
    let setting = main.blocks("events").last?.last("worker_connections")
    let connections = setting.flatMap { Int($0.value) } ?? Self.presetConnections
    let processes = main.last("worker_processes").map { Int($0.value) ?? Machine.cores } ?? 1
    // A stream takes one to the client and one to us.
    let streams = processes * connections / 2
    let workers = settings.workers ?? Machine.cores
    let wanted =
      settings.limits.streams > 0 ? settings.limits.streams * workers : DescriptorCheck.sensibleStreams
    let subject = setting.map { "worker_connections (\($0.place))" } ?? "worker_connections"
    if streams < wanted {
      let reason =
        settings.limits.streams > 0 ? "limits.streams allows \(wanted)" : "that is less than \(wanted)"
      findings.append(
        .warning(
          "nginx.worker_connections", subject, "nginx can hold \(streams) streams, and \(reason)",
          "set worker_connections to \((wanted * 2 + processes - 1) / processes) or more"))
    }
    let limit = main.last("worker_rlimit_nofile").flatMap { Int($0.value) }
    if let limit, limit < connections {
      findings.append(
        .warning(
          "nginx.worker_rlimit_nofile", subject,
          "each process may have \(connections) connections, and \(limit) descriptors for them",
          "set worker_rlimit_nofile to \(connections * 2)"))
    } else if limit == nil, connections > Self.usualDescriptors {
      findings.append(
        .warning(
          "nginx.worker_rlimit_nofile", subject,
          "it is more than the \(Self.usualDescriptors) descriptors that a process usually has",
          "set worker_rlimit_nofile to \(connections * 2)"))
    }
  }
}
