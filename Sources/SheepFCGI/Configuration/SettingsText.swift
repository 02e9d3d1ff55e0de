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
