import ArgumentParser

/// How the program ends where it cannot run, in the numbers of sysexits.h, which systemd names in its log.
enum ExitStatus {
  /// The command line is wrong, or there is nowhere to listen.
  static let usage: Int32 = 64
  /// A socket cannot be opened, or another call to the system failed.
  static let system: Int32 = 71
  /// The configuration is wrong.
  static let configuration: Int32 = 78

  static let help = """
    Exit status: 0 after a drain; 64 where the command line is wrong or there is nowhere to listen; 71 where a socket \
    cannot be opened; 78 where the configuration is wrong.
    """

  /// Says on standard error why the program ends.
  static func failure(_ status: Int32, _ text: String) -> ExitCode {
    say(text)
    return ExitCode(status)
  }

  /// Lines on standard error, each with the program's name before it.
  static func say(_ text: String) {
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      StandardError.writeLine("sheepfcgi: \(line)")
    }
  }
}
