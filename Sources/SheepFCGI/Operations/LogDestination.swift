/// Where the log goes, and in what format. Opened by whoever starts or reloads, written to by the log's thread alone; what
/// is open is closed with the last reference.
struct LogDestination: Sendable {
  enum Medium: Sendable {
    case file(LogFile)
    case socket(LogSocket)
  }

  let format: Settings.Log.Format
  let medium: Medium

  static let standardError = LogDestination(format: .logfmt, medium: .file(.standardError))

  /// Opens it anew, wherever an older descriptor of the same path leads by now.
  init(_ settings: Settings.Log) throws(ConfigurationError) {
    do throws(SystemError) {
      let medium: Medium =
        switch settings.to {
        case .standardError: .file(.standardError)
        case .file(let path): .file(try LogFile(path))
        case .journald(let path): .socket(try LogSocket(path, .journal))
        case .syslog(let path): .socket(try LogSocket(path, .syslog))
        }
      self.init(format: settings.format, medium: medium)
    } catch {
      throw ConfigurationError(problems: [.init(place: settings.place, text: "\(error)")])
    }
  }

  private init(format: Settings.Log.Format, medium: Medium) {
    self.format = format
    self.medium = medium
  }
}
