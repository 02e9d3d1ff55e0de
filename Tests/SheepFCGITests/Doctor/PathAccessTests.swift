import Testing

@testable import SheepFCGI

/// The kernel's rule: the first class that fits decides, also where it grants less than the next.
@Suite struct PathAccessTests {
  private let web = PathAccess(name: "www-data", user: 33, groups: [33, 100])

  private static let rights: [(owner: UInt32, group: UInt32, mode: UInt32, may: Bool)] = [
    (33, 0, 0o200, true), (33, 33, 0o066, false), (0, 33, 0o020, true), (0, 100, 0o660, true),
    (0, 100, 0o602, false), (0, 0, 0o660, false), (0, 0, 0o666, true),
  ]

  @Test(arguments: rights)
  func whoMayWrite(_ example: (owner: UInt32, group: UInt32, mode: UInt32, may: Bool)) {
    let may = web.may(.write, owner: example.owner, group: example.group, mode: example.mode)
    #expect(may == example.may)
  }

  @Test func rootMayEverything() {
    #expect(PathAccess(name: "root", user: 0, groups: []).may(.write, owner: 5, group: 5, mode: 0))
  }

  @Test func theDirectoriesAboveAFileBeginAtTheRoot() {
    #expect(PathAccess.directories(above: "/run/sheepfcgi/a.sock") == ["/", "/run", "/run/sheepfcgi"])
    #expect(PathAccess.directories(above: "/a") == ["/"])
  }
}
