import Streaming

/// Reads `redis` and all below it, and looks its host up: the loop must not wait for names.
struct RedisSection {
  let environment: [String: String]
  let entry: NodeReader.Entry
  let reader: NodeReader

  private static let remedy = "write redis://host:port/number or unix:/path"

  /// With a problem told, what comes back is not to be used.
  func read() -> Settings.Redis {
    var redis = Settings.Redis()
    reader.section(entry) { section in
      section.choice("when_away", [("open", .open), ("closed", .closed)], &redis.whenAway)
      section.duration("timeout", &redis.timeout)
      if let prefix = section.text("prefix") { redis.prefix = prefix }
      if let url = section.entry("url") {
        if let text = section.text(url) { readURL(text, url, section, &redis) }
      } else {
        reader.problem(entry, "has no url; \(Self.remedy)")
      }
      readPassword(section, &redis)
    }
    return redis
  }

  private func readURL(_ text: String, _ url: NodeReader.Entry, _ section: NodeReader, _ redis: inout Settings.Redis) {
    guard text.hasPrefix("redis://") else { return readPath(text, url, section, &redis) }
    var rest = text.dropFirst("redis://".count)
    var database = Substring("0")
    if let slash = rest.lastIndex(of: "/") {
      database = rest[rest.index(after: slash)...]
      rest = rest[..<slash]
    }
    if let at = rest.lastIndex(of: "@") {
      let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, let user = Self.decoded(parts[0]), let password = Self.decoded(parts[1]) else {
        return section.problem(url, "has something before its host that is no [USER]:PASSWORD; name it with password")
      }
      redis.login.user = user.isEmpty ? nil : user
      redis.login.password = password.isEmpty ? nil : password
      rest = rest[rest.index(after: at)...]
    }
    guard let number = database.isEmpty ? 0 : Int(database), (0...1_000_000).contains(number) else {
      return section.problem(url, "ends in something that is no database's number; \(Self.remedy)")
    }
    redis.login.database = number
    // An IPv6 address has colons too, in brackets.
    let hasPort = rest.hasSuffix("]") ? false : rest.contains(":")
    do {
      guard case .tcp(let host, let port) = try ListenAddress("tcp:\(rest)\(hasPort ? "" : ":6379")") else { return }
      redis.name = "\(ListenAddress.tcp(host: host, port: port))"
      redis.addresses = try SocketAddress.resolve(host: host, port: port, to: "find Redis")
    } catch let error as SystemError {
      section.problem(url, "\(error)")
    } catch {
      section.problem(url, "names no host and port; \(Self.remedy)")
    }
  }

  private func readPath(_ text: String, _ url: NodeReader.Entry, _ section: NodeReader, _ redis: inout Settings.Redis) {
    if text.hasPrefix("rediss://") {
      return section.problem(url, "asks for TLS, which is not spoken here; put stunnel before it, or use unix:/path")
    }
    guard text.hasPrefix("unix:"), let address = try? ListenAddress(text), case .unix(let path) = address else {
      return section.problem(url, "is no address of a Redis; \(Self.remedy)")
    }
    redis.name = text
    redis.addresses = [SocketAddress(unixPath: path)]
  }

  private func readPassword(_ section: NodeReader, _ redis: inout Settings.Redis) {
    guard let entry = section.entry("password"), let text = section.text(entry) else { return }
    do throws(Reference.Invalid) {
      guard let reference = try Reference(text) else {
        return section.problem(entry, "is written out; put it into a variable or a file, and write $NAME or file:/path")
      }
      let value = try reference.value(environment)
      guard redis.login.password == nil else {
        return section.problem(entry, "is there beside the one in url; keep one")
      }
      redis.login.password = value
    } catch {
      section.problem(entry, "\(error)")
    }
  }

  /// RFC 3986, section 2.1. Nil: a percent sign without its two digits, or no UTF-8.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
        return nil
      }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
