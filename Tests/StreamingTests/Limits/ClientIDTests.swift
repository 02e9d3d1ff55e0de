import Testing

@testable import Streaming

struct ClientIDTests {
  @Test func `a 64 of IPv6 is one client, and each address of IPv4`() {
    let network: UInt64 = 0x2001_0db8_0001_0002
    #expect(ClientID(addressHigh: network, low: 1) == ClientID(addressHigh: network, low: .max))
    #expect(ClientID(addressHigh: network, low: 1) != ClientID(addressHigh: network + 1, low: 1))
    let mapped: UInt64 = 0xffff << 32
    #expect(ClientID(addressHigh: 0, low: mapped | 1) != ClientID(addressHigh: 0, low: mapped | 2))
  }

  @Test func `a text is told apart from others, is not shown, and is the same everywhere`() {
    let id = ClientID(text: "SHEEP_USER:someone")
    #expect(id == ClientID(text: "SHEEP_USER:someone") && id != ClientID(text: "SHEEP_USER:someone-else"))
    #expect(!id.name.contains("someone"))
    // FNV-1a, 128 bits, of "a": the test vector of its authors.
    #expect(ClientID(text: "a").name == "td228cb696f1a8caf78912b704e4a8964")
    #expect(ClientID(text: "").name == "t6c62272e07bb014262b821756295c58d")
  }
}
