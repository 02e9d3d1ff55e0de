import Glibc

/// How many files this process and those that it starts may have open.
enum Descriptors {
  /// Raises the limit to so many where it is lower, and the system lets us.
  ///
  /// - Returns: how many of those there are. What is allowed beyond them, a billion in some containers, is nothing to ask
  ///   for: nginx takes memory for each connection that it may have.
  @discardableResult
  static func raiseLimit(to count: Int) -> Int {
    let wanted = rlim_t(count)
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    var limit = rlimit()
    getrlimit(resource, &limit)
    if limit.rlim_max < wanted {
      // Root may go beyond the hard limit.
      var higher = rlimit(rlim_cur: wanted, rlim_max: wanted)
      if setrlimit(resource, &higher) == 0 { return count }
    }
    limit.rlim_cur = min(limit.rlim_max, max(wanted, limit.rlim_cur))
    _ = setrlimit(resource, &limit)
    return min(Int(clamping: limit.rlim_cur), count)
  }
}
