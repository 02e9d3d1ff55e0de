import Streaming
import Testing

struct HostNetworkTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "::ffff:127.0.0.1"), ("::ffff:127.0.0.1", "127.0.0.1"),
    ("::1", "::1"), ("::1", "0:0:0:0:0:0:0:1"), ("10.0.0.0/8", "10.255.255.255"), ("10.0.0.0/8", "10.0.0.0"),
    ("192.0.2.128/25", "192.0.2.129"), ("0.0.0.0/0", "203.0.113.9"), ("::/0", "2001:db8::1"), ("::/0", "203.0.113.9"),
    ("fd00::/8", "fdff:ffff::1"), ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff"), ("2001:db8::/65", "2001:db8::1"),
    ("192.0.2.7/32", "192.0.2.7"), ("2001:db8::1/128", "2001:db8::1"),
  ])
  func `a network holds its addresses`(network: String, address: String) throws {
    let (network, address) = (try #require(HostNetwork(network)), try #require(HostAddress(address)))
    #expect(network.contains(address))
  }

  @Test(arguments: [
    ("127.0.0.1", "127.0.0.2"), ("::1", "127.0.0.1"), ("10.0.0.0/8", "11.0.0.0"), ("10.0.0.0/8", "9.255.255.255"),
    ("192.0.2.128/25", "192.0.2.127"), ("0.0.0.0/0", "2001:db8::1"), ("fd00::/8", "fc00::1"),
    ("2001:db8::/64", "2001:db8:0:1::"), ("2001:db8::/65", "2001:db8::8000:0:0:0"), ("192.0.2.7/32", "192.0.2.6"),
  ])
  func `and no others`(network: String, address: String) throws {
    let (network, address) = (try #require(HostNetwork(network)), try #require(HostAddress(address)))
    #expect(!network.contains(address))
  }

  @Test(arguments: [
    "", "localhost", "10.0.0.0/", "10.0.0.0/33", "::1/129", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.1/8",
    "fd00::1/8", "10.0.0/8", "127.0.0.1 ", "10.0.0.0/ 8", "10.0.0.0/0x8", "unix:", "*",
  ])
  func `what is neither an address nor a network is refused, and a network with bits to spare`(text: String) {
    #expect(HostNetwork(text) == nil)
  }

  @Test func `a client is admitted by what the web server says of it`() throws {
    let loopback = [try #require(HostNetwork("127.0.0.1")), try #require(HostNetwork("::1"))]
    for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "unix:"] {
      #expect(loopback.admit(remoteAddress: text), "\(text)")
    }
    for text in [nil, "", "192.0.2.7", "127.0.0.2", "unix", "localhost", "127.0.0.1, 192.0.2.7"] {
      #expect(!loopback.admit(remoteAddress: text), "\(text ?? "nobody")")
    }
  }

  @Test func `a list without any network admits nobody`() {
    #expect(![HostNetwork]().admit(remoteAddress: "127.0.0.1") && ![HostNetwork]().admit(remoteAddress: "unix:"))
  }

  @Test func `where another network is named, the web server's Unix socket is no part of it`() throws {
    #expect(![try #require(HostNetwork("10.0.0.0/8"))].admit(remoteAddress: "unix:"))
  }
}
