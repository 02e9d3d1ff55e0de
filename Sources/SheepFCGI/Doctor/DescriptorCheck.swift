/// How many streams the descriptors are enough for (RLIMIT_NOFILE).
struct DescriptorCheck {
  let findings: [Finding]

  /// Fewer are used up by a class of pupils.
  static let sensibleStreams = 500

  init(_ settings: Settings) {
    let workers = settings.workers ?? Machine.cores
    let budget = DescriptorBudget(workers: workers)
    let possible = budget.streamsPerWorker * workers
    let subject = "RLIMIT_NOFILE"
    let remedy = "raise LimitNOFILE= in the unit, or ulimit -n"
    if settings.limits.streams > budget.streamsPerWorker {
      let wanted = settings.limits.streams * workers
      findings = [
        .problem(
          "descriptors.streams", subject,
          "descriptors are enough for \(possible) streams, and limits.streams with \(workers) worker(s) allows \(wanted)",
          "\(remedy), or lower limits.streams to \(budget.streamsPerWorker)")
      ]
    } else if possible < Self.sensibleStreams, settings.limits.streams == 0 {
      let text = "descriptors are enough for no more than \(possible) streams"
      findings = [.warning("descriptors.streams", subject, text, remedy)]
    } else {
      let bound = settings.limits.streams > 0 ? settings.limits.streams * workers : possible
      let text = "enough for \(bound) streams with \(workers) worker(s), when it is started as this command was"
      findings = [.ok("descriptors.streams", subject, text)]
    }
  }
}
