import Streaming

/// Who may connect over TCP: `FCGI_WEB_SERVER_ADDRS` (FastCGI 1.0, section 3.2).
///
/// A Unix socket is guarded by its file's mode and owner instead, and is never asked about here.
struct AllowedPeers: Sendable {
  /// Nil: the variable is not set, and whoever reaches a listener may use it.
  private let addresses: Set<HostAddress>?

  static let variable = "FCGI_WEB_SERVER_ADDRS"

  /// What is wrong with the variable, and what to write.
  struct Invalid: Error, CustomStringConvertible {
    let description: String
  }

  /// - Parameter list: the variable's value; nil or empty: not set.
  init(_ list: String?) throws(Invalid) {
    guard let list, !list.isEmpty else {
      addresses = nil
      return
    }
    var parsed: Set<HostAddress> = []
    for entry in list.split(separator: ",", omittingEmptySubsequences: false) {
      let word = entry.drop { $0 == " " }.prefix { $0 != " " }
      guard word.utf8.count == entry.utf8.filter({ $0 != 32 }).count, let address = HostAddress(word) else {
        throw Invalid(
          description: "\(Self.variable): '\(word)' is no IPv4 or IPv6 address; write the web servers' addresses with "
            + "commas between them, no names and no networks")
      }
      parsed.insert(address)
    }
    addresses = parsed
  }

  /// Refuses a TCP listener that other machines reach while nobody has said which of them may use it.
  func check(_ listener: Listener) throws(Invalid) {
    guard addresses == nil, let host = listener.address.host, !host.isLoopback else { return }
    throw Invalid(
      description: "\(listener) can be reached from other machines, and whoever connects spends your money; "
        + "set \(Self.variable) to the web servers' addresses (with commas between them), or listen on 127.0.0.1")
  }

  /// Whether a connection that `listener` accepted may stay. Asks the kernel only where there is something to compare.
  func allows(_ connection: Int32, from listener: Listener) -> Bool {
    guard addresses != nil, listener.address.isTCP else { return true }
    guard let peer = SocketAddress.peer(of: connection) else { return false }
    return allows(peer)
  }

  func allows(_ peer: SocketAddress) -> Bool {
    guard let addresses, peer.isTCP else { return true }
    return peer.host.map(addresses.contains) ?? false
  }
}
