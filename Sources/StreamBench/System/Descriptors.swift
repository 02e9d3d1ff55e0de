import Glibc

/// How many files this process and those that it starts may have open.
enum Descriptors {
  /// What the largest load takes of nginx: two sockets a stream.
  private static let wanted: rlim_t = 65536

  /// Raises the limit as far as the system lets us, and returns it.
  @discardableResult
  static func raiseLimit() -> Int {
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    getrlimit(resource, &limit)
    if limit.rlim_max < wanted {
      // Root may go beyond the hard limit.
      var higher = rlimit(rlim_cur: wanted, rlim_max: wanted)
      if setrlimit(resource, &higher) == 0 { return Int(wanted) }
    }
    limit.rlim_cur = min(limit.rlim_max, max(wanted, limit.rlim_cur))
    _ = setrlimit(resource, &limit)
    return Int(clamping: limit.rlim_cur)
  }
}
