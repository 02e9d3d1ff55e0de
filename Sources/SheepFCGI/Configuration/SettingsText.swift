extension Settings.ListenOptions {
  static let modeRemedy = "is no file mode; write three or four octal digits, like \"0660\""

  /// Permission bits. Nil: `text` is not three octal digits with or without a 0 before them.
  static func mode(octal text: String) -> UInt32? {
    guard (3...4).contains(text.utf8.count), text.utf8.allSatisfy({ (48...55).contains($0) }) else { return nil }
    // A socket knows no setuid, setgid and sticky bits.
    return UInt32(text, radix: 8).flatMap { $0 <= 0o777 ? $0 : nil }
  }
}

extension Settings.CORS {
  /// An origin as browsers send it: lower case, without the scheme's own port. Nil: `text` is none, or says more.
  static func origin(_ text: String) -> String? {
    let lower = text.lowercased()
    guard let separator = lower.firstRange(of: "://"), separator.lowerBound > lower.startIndex else { return nil }
    let authority = lower[separator.upperBound...]
    guard !authority.isEmpty, authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }),
      !authority.contains(where: { "/?#@*".contains($0) })
    else { return nil }
    for (scheme, port) in [("https", ":443"), ("http", ":80")] {
      if lower.hasPrefix(scheme + "://"), authority.hasSuffix(port) { return String(lower.dropLast(port.count)) }
    }
    return lower
  }
}

extension Settings.Log.Destination {
  static let remedy =
    "neither stderr, journald, syslog nor an absolute path; write one of the words, or /path/to/file"

  /// `stderr`, `journald`, `syslog`, an absolute path, or one of the two daemons with its socket, as `syslog:/path`. Nil:
  /// `text` is none of them.
  init?(_ text: String) {
    guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else { return nil }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts.count > 1 ? String(parts[1]) : nil
    if let path, !path.hasPrefix("/") || path.utf8.count > ListenAddress.longestPath { return nil }
    switch parts[0] {
    case "stderr" where path == nil: self = .standardError
    case "journald": self = .journald(socket: path ?? "/run/systemd/journal/socket")
    case "syslog": self = .syslog(socket: path ?? "/dev/log")
    default:
      guard text.hasPrefix("/") else { return nil }
      self = .file(path: text)
    }
  }
}

extension Settings {
  /// What is no mistake, but hardly meant.
  var warnings: [String] {
    guard let access = clientKeys, access.isFileOpen else { return [] }
    return ["every user of this machine can read the client keys in \(access.file); take that right away (chmod o-r)"]
  }
}

extension Settings.Limits.Client.Measure {
  /// Nil: `text` is none.
  init?(_ text: String) {
    switch text {
    case "address": self = .address
    case "key": self = .key
    default:
      let name = text.dropFirst("header:".count)
      guard text.hasPrefix("header:SHEEP_"), name.utf8.count <= 100,
        name.utf8.allSatisfy({ (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "_") })
      else { return nil }
      self = .header(String(name))
    }
  }
}

extension Settings.Redis {
  /// Whether both count in the same place.
  func isSameStore(as other: Settings.Redis) -> Bool {
    login == other.login && prefix == other.prefix
      && addresses.map(\.description) == other.addresses.map(\.description)
  }
}
