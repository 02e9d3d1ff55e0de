import Glibc

/// Who a process runs as, for what a file's mode lets it do. Access control lists are not looked at.
struct PathAccess {
  /// As messages name it.
  let name: String
  let user: uid_t
  let groups: Set<gid_t>

  enum Right: mode_t {
    case read = 4
    case write = 2
    case search = 1
  }

  /// A stranger to every file: what others may.
  static let others = PathAccess(name: "others", user: .max, groups: [])

  /// What it may where owner, group and mode are these (path_resolution(7)).
  func may(_ right: Right, owner: uid_t, group: gid_t, mode: mode_t) -> Bool {
    if user == 0 { return true }
    let shift: mode_t = owner == user ? 6 : groups.contains(group) ? 3 : 0
    return (mode >> shift) & right.rawValue != 0
  }

  func may(_ right: Right, _ status: stat) -> Bool {
    may(right, owner: status.st_uid, group: status.st_gid, mode: status.st_mode)
  }

  /// The first directory above `path` that it may not pass; nil: it may pass all that are there.
  func barrier(above path: String) -> String? {
    Self.directories(above: path).first { directory in
      var status = stat()
      return stat(directory, &status) == 0 && !may(.search, status)
    }
  }

  /// From the root down: `/`, `/run`, `/run/sheepfcgi`.
  static func directories(above path: String) -> [String] {
    var found = ["/"]
    for part in path.split(separator: "/").dropLast() {
      found.append(found.count == 1 ? "/\(part)" : "\(found[found.count - 1])/\(part)")
    }
    return found
  }
}
