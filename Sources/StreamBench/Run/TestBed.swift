import Foundation

/// What all contenders share: the provider, a folder for all that is temporary, and how many descriptors there are.
final class TestBed {
  let folder: TemporaryFolder
  let provider: Provider
  let descriptors: Int
  /// Where peers are built, kept for the next run.
  private let builds: String
  private var sites = 0

  /// - Parameter descriptors: that the largest load takes.
  init(mockProvider: String, builds: String, descriptors: Int) throws {
    self.builds = builds
    self.descriptors = Descriptors.raiseLimit(to: descriptors)
    folder = try TemporaryFolder()
    do {
      provider = try Provider(program: mockProvider, in: folder)
    } catch {
      folder.remove()
      throw error
    }
  }

  func end() {
    provider.process.end()
    folder.remove()
  }

  /// A folder of its own for each site.
  func newFolder() throws -> String {
    sites += 1
    return try folder.folder("site-\(sites)")
  }

  func buildFolder(of contender: Contender) -> String { "\(builds)/\(contender.name)" }

  /// What a peer lacks to be built or started; nil: it is ready.
  func missing(for contender: Contender) throws -> String? {
    guard case .peer(let folder) = contender.kind, FileManager.default.fileExists(atPath: "\(folder)/build") else {
      return nil
    }
    let build = buildFolder(of: contender)
    try FileManager.default.createDirectory(atPath: build, withIntermediateDirectories: true)
    let process = try ChildProcess(
      "\(contender.name)/build", ["\(folder)/build"],
      environment: ChildProcess.inheritedByBuilds.merging(["BUILD": build]) { $1 },
      log: "\(self.folder.path)/\(contender.name)-build.log")
    defer { process.end() }
    switch try process.wait() {
    case 0: return nil
    case Self.unavailable: return process.lastWords
    case let status: return "its build failed with \(status): \(process.lastWords)"
    }
  }

  /// EX_UNAVAILABLE: something that the build needs is not installed.
  private static let unavailable: Int32 = 69
}
