import Foundation

@testable import Streaming

/// The folder of recorded provider streams, which is no part of this repository: `SHEEPFCGI_STREAMS`, or
/// `../shared/streams` beside the package.
enum Recordings {
  static let folder: URL? = {
    let package = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../..").standardized
    let given = ProcessInfo.processInfo.environment["SHEEPFCGI_STREAMS"].map { URL(filePath: $0) }
    let folder = given ?? package.appending(path: "../shared/streams").standardized
    return FileManager.default.fileExists(atPath: folder.path) ? folder : nil
  }()

  static var arePresent: Bool { folder != nil }

  static func file(_ name: String) -> URL? { folder?.appending(path: name) }

  /// The names of the recorded streams of the wires that we speak.
  static let names: [String] = {
    guard let folder, let files = try? FileManager.default.contentsOfDirectory(atPath: folder.path) else { return [] }
    let names = files.filter { $0.hasSuffix(".expect.json") }.map { String($0.dropLast(".expect.json".count)) }
    return names.filter { (try? wire(of: $0)) != nil }.sorted()
  }()

  /// Throws for a wire that we do not speak.
  static func wire(of name: String) throws -> Wire {
    guard let wire = try (expectation(of: name)["wire"] as? String).flatMap(Wire.init) else {
      throw CocoaError(.featureUnsupported)
    }
    return wire
  }

  static func expectation(of name: String) throws -> [String: Any] {
    try foundationObject(contents("\(name).expect.json"))
  }

  static func contents(_ name: String) throws -> [UInt8] {
    guard let file = file(name) else { throw CocoaError(.fileNoSuchFile) }
    // `Data(contentsOf:)` leaks a buffer for each empty file, of which LeakSanitizer complains.
    let handle = try FileHandle(forReadingFrom: file)
    defer { try? handle.close() }
    return Array(try handle.readToEnd() ?? Data())
  }
}
