import Foundation

/// What is measured: nginx alone, our worker, or one of Benchmarks/peers.
struct Contender {
  enum Kind {
    case alone
    case sheepfcgi(WorkerSettings)
    /// Its folder.
    case peer(String)
  }

  /// How our worker is started.
  struct WorkerSettings {
    var program: String
    var workers = 1
    /// A file; nil: the environment says where the provider is.
    var configuration: String?
    var environment: [String: String] = [:]
  }

  let name: String
  let title: String
  let kind: Kind
  let speaks: Relay.Address.Speech
  /// That it can hold at once; nil: no bound.
  var maximumStreams: Int?
  /// For FastCGI servers that run files.
  var script: String?

  static let alone = Contender(name: "nginx-alone", title: "nginx alone", kind: .alone, speaks: .http)

  static func sheepfcgi(_ settings: WorkerSettings) -> Contender {
    Contender(name: "sheepfcgi", title: "SheepFCGI", kind: .sheepfcgi(settings), speaks: .fastcgi)
  }

  /// peer.json, as Benchmarks/peers has it.
  private struct Description: Decodable {
    let title: String
    let speaks: Relay.Address.Speech
    let maximumStreams: Int?
    let script: String?

    private enum CodingKeys: String, CodingKey {
      case title, speaks, script
      case maximumStreams = "maximum_streams"
    }
  }

  /// The peer in a folder.
  static func peer(in folder: String) throws -> Contender {
    let file = "\(folder)/peer.json"
    do {
      let description = try JSONDecoder().decode(Description.self, from: Data(TextFile.read(file).utf8))
      return Contender(
        name: (folder as NSString).lastPathComponent, title: description.title, kind: .peer(folder),
        speaks: description.speaks, maximumStreams: description.maximumStreams,
        script: description.script.map { "\(folder)/\($0)" })
    } catch {
      throw BenchError("\(file) is no description of a peer: \(error)")
    }
  }

  /// The peers below a folder, by name; those that cannot be read are told.
  static func peers(below folder: String, problem: (String) -> Void) -> [Contender] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.sorted().compactMap { name in
      guard FileManager.default.fileExists(atPath: "\(folder)/\(name)/peer.json") else { return nil }
      do { return try peer(in: "\(folder)/\(name)") } catch {
        problem("\(error)")
        return nil
      }
    }
  }

  /// The program to start, with its path, and what it is told; nothing for nginx alone.
  func arguments(socket: String) -> [String] {
    switch kind {
    case .alone: []
    case .peer(let folder): ["\(folder)/start"]
    case .sheepfcgi(let settings):
      [settings.program, "serve", "--listen", "unix:\(socket)", "--listen-mode", "0666"]
        + ["--workers", String(settings.workers)] + (settings.configuration.map { ["--config", $0] } ?? [])
    }
  }

  func environment(socket: String, work: String, build: String, provider: UInt16) -> [String: String] {
    let base = "http://127.0.0.1:\(provider)/v1"
    let more: [String: String] =
      switch kind {
      case .alone: [:]
      case .peer: ["SOCKET": socket, "WORK": work, "BUILD": build, "PROVIDER": base]
      case .sheepfcgi(let settings):
        (settings.configuration == nil ? ["SHEEP_BASE_URL": base] : [:]).merging(settings.environment) { $1 }
      }
    return ChildProcess.inherited.merging(more) { $1 }
  }
}
