import Glibc

/// Users and groups, by name or number.
enum Account {
  /// A user's number. Blocks: the name may be looked up over the network.
  static func user(_ name: String) throws(SystemError) -> uid_t {
    if let number = uid_t(name) { return number }
    let found = lookUp { buffer, count -> (Int32, uid_t?) in
      var entry = passwd()
      var result: UnsafeMutablePointer<passwd>?
      let code = getpwnam_r(name, &entry, buffer, count, &result)
      return (code, result == nil ? nil : entry.pw_uid)
    }
    guard let found else { throw unknown("user", name) }
    return found
  }

  /// A group's number likewise.
  static func group(_ name: String) throws(SystemError) -> gid_t {
    if let number = gid_t(name) { return number }
    let found = lookUp { buffer, count -> (Int32, gid_t?) in
      var entry = Glibc.group()
      var result: UnsafeMutablePointer<Glibc.group>?
      let code = getgrnam_r(name, &entry, buffer, count, &result)
      return (code, result == nil ? nil : entry.gr_gid)
    }
    guard let found else { throw unknown("group", name) }
    return found
  }

  /// A user's name; its number where it has none.
  static func name(ofUser number: uid_t) -> String {
    var name: String?
    _ = lookUp { buffer, count -> (Int32, uid_t?) in
      var entry = passwd()
      var result: UnsafeMutablePointer<passwd>?
      let code = getpwuid_r(number, &entry, buffer, count, &result)
      if result != nil, let text = entry.pw_name { name = String(cString: text) }
      return (code, nil)
    }
    return name ?? String(number)
  }

  /// A group's likewise.
  static func name(ofGroup number: gid_t) -> String {
    var name: String?
    _ = lookUp { buffer, count -> (Int32, gid_t?) in
      var entry = Glibc.group()
      var result: UnsafeMutablePointer<Glibc.group>?
      let code = getgrgid_r(number, &entry, buffer, count, &result)
      if result != nil, let text = entry.gr_name { name = String(cString: text) }
      return (code, nil)
    }
    return name ?? String(number)
  }

  /// The groups that a user is in, with `primary` (initgroups(3)).
  static func groups(of user: String, primary: gid_t) -> Set<gid_t> {
    var found = [gid_t](repeating: 0, count: 1024)
    var count = Int32(found.count)
    guard getgrouplist(user, primary, &found, &count) >= 0 else { return [primary] }
    return Set(found.prefix(Int(count)))
  }

  /// The group that a user has in the user database. Nil: there is no such user.
  static func primaryGroup(of user: String) -> gid_t? {
    lookUp { buffer, count -> (Int32, gid_t?) in
      var entry = passwd()
      var result: UnsafeMutablePointer<passwd>?
      let code = getpwnam_r(user, &entry, buffer, count, &result)
      return (code, result == nil ? nil : entry.pw_gid)
    }
  }

  /// Calls with more and more room until the entry fits: a group's members may take much.
  private static func lookUp<Number>(_ call: (UnsafeMutablePointer<CChar>, Int) -> (Int32, Number?)) -> Number? {
    var room = 1024
    while room <= 1 << 20 {
      var buffer = [CChar](repeating: 0, count: room)
      let (code, number) = buffer.withUnsafeMutableBufferPointer { bytes in
        bytes.baseAddress.map { call($0, bytes.count) } ?? (ENOMEM, nil)
      }
      if code != ERANGE { return number }
      room *= 4
    }
    return nil
  }

  private static func unknown(_ kind: String, _ name: String) -> SystemError {
    SystemError(
      "give the socket to \(kind) '\(name)'", reason: "there is no such \(kind)",
      remedy: "create it, or set listen_\(kind == "user" ? "owner" : "group") to one that exists")
  }
}
