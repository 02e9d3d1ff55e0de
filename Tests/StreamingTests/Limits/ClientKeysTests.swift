import Testing

@testable import Streaming

struct ClientKeysTests {
  private func keys(_ names: [String]) -> ClientKeys {
    var keys = ClientKeys()
    for name in names { keys.add(name, of: ClientKey(name: "of " + name, models: nil, quota: Quota())) }
    return keys
  }

  @Test func `each key finds its owner, and nothing else finds any`() {
    let names = (0..<300).map { "key-\(String(repeating: "x", count: $0 % 20))\($0)" }
    let keys = keys(names)
    for name in names {
      #expect(keys.owner(of: name.utf8)?.name == "of " + name)
      for wrong in [name + "x", String(name.dropLast()) + "?", "?" + name.dropFirst(), name.uppercased(), name + "\0"] {
        #expect(keys.owner(of: wrong.utf8) == nil)
      }
    }
    #expect(keys.owner(of: "".utf8) == nil)
  }

  @Test(arguments: [1, 7, 8, 9, 15, 16, 17, 511, 512])
  func `a key of any length is told from one that differs in its last byte`(length: Int) {
    let key = String(repeating: "k", count: length)
    let keys = keys([key])
    #expect(keys.owner(of: key.utf8) != nil)
    #expect(keys.owner(of: (key.dropLast() + "j").utf8) == nil)
    #expect(keys.owner(of: key.dropLast().utf8) == nil)
    #expect(keys.owner(of: (key + "\0").utf8) == nil)
  }

  @Test func `what is longer than any key is nobody's`() {
    #expect(keys(["k"]).owner(of: String(repeating: "k", count: 513).utf8) == nil)
  }

  @Test func `models are allowed by name or by provider`() {
    let key = ClientKey(name: "k", models: ["a/one", "b/*"], quota: Quota())
    #expect(key.allows("a/one") && key.allows("b/any") && key.allows("b/with/slash"))
    #expect(!key.allows("a/two") && !key.allows("bb/x") && !key.allows("b") && !key.allows("a/one/more"))
    #expect(ClientKey(name: "k", models: nil, quota: Quota()).allows("any/thing"))
  }

  @Test(arguments: [
    (["HTTP_AUTHORIZATION": "Bearer abc"], "abc"),
    (["HTTP_AUTHORIZATION": "bEaReR   abc"], "abc"),
    (["HTTP_X_API_KEY": "abc"], "abc"),
    (["HTTP_AUTHORIZATION": "Bearer abc", "HTTP_X_API_KEY": "def"], "abc"),
    (["HTTP_AUTHORIZATION": "Basic abc", "HTTP_X_API_KEY": "def"], "def"),
    (["HTTP_AUTHORIZATION": "Basic abc"], nil),
    (["HTTP_AUTHORIZATION": "Bearerabc"], nil),
    (["HTTP_X_API_KEY": ""], nil),
    ([:], nil),
  ])
  func `the key is where clients put it`(params: [String: String], key: String?) throws {
    var bytes: [UInt8] = []
    for (name, value) in params { bytes += Array("\(name)\0\(value)\0".utf8) }
    let presented = ClientKeys.presented(try Params(scgi: bytes))
    #expect(presented.map { String(decoding: $0, as: UTF8.self) } == key)
  }
}
