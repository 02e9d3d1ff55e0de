import Glibc

/// Where nginx's configuration comes from: a file with the output of `nginx -T`, or nginx itself.
enum NginxSource {
  case found(NginxConfiguration)
  /// Why there is none to look at, as a finding.
  case missing(Finding)

  private static let check = "nginx.configuration"
  /// The configuration of a large site has some hundred kilobytes.
  private static let limitBytes = 64 << 20

  /// - Parameter file: nil: nginx is asked.
  static func read(file: String?, _ environment: [String: String]) -> NginxSource {
    guard let file else { return ask(environment) }
    do {
      return try parse(try FileContents.read(file, limitBytes: limitBytes), file)
    } catch let error as NginxConfiguration.Invalid {
      return .missing(.problem(check, file, "it cannot be read: \(error)", "write nginx -T's output into it, as it is"))
    } catch {
      let why = (error as? SystemError)?.why ?? "\(error)"
      return .missing(.problem(check, file, "it cannot be read: \(why)", "write nginx -T's output into it"))
    }
  }

  private static func parse(_ text: String, _ subject: String) throws(NginxConfiguration.Invalid) -> NginxSource {
    .found(try NginxConfiguration(text))
  }

  private static func ask(_ environment: [String: String]) -> NginxSource {
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init) + ["/usr/sbin", "/usr/local/sbin"]
    let programs: [String] = folders.map { "\($0)/nginx" }
    guard let program = programs.first(where: { access($0, X_OK) == 0 }) else {
      return .missing(
        .warning(
          check, "nginx", "it is not installed here",
          "on its machine run nginx -T, and give the output with --nginx FILE"))
    }
    do {
      let child = try ChildOutput.run(program, ["-T"], limit: .seconds(20))
      guard child.end == .exited(status: 0) else { return .missing(refusal(child.errors, program)) }
      return try parse(child.output, program)
    } catch let error as NginxConfiguration.Invalid {
      return .missing(.warning(check, program, "its configuration is not understood: \(error)", "report it, please"))
    } catch {
      let why = (error as? SystemError)?.why ?? "\(error)"
      return .missing(.warning(check, program, why, "run nginx -T, and give the output with --nginx FILE"))
    }
  }

  private static func refusal(_ errors: String, _ program: String) -> Finding {
    let lines = errors.split(separator: "\n")
    let line = lines.first { $0.contains("[emerg]") } ?? lines.first ?? "no reason given"
    guard geteuid() == 0 else {
      return .warning(
        check, program, "this command's user may not see it: \(line)",
        "run it as root, or give nginx -T's output with --nginx FILE")
    }
    return .problem(check, program, "nginx -T fails: \(line)", "put nginx's configuration right")
  }
}
