import ArgumentParser
import Glibc

/// How the program ends where it cannot run.
enum ExitStatus {
  /// Says why, on standard error.
  static func failure(_ text: String) -> ExitCode {
    var line = "stream-bench: \(text)\n"
    line.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    return ExitCode(1)
  }

  /// 128 and the signal, as shells tell it.
  static func interrupted(_ error: Interruption.Interrupted) -> ExitCode {
    ExitCode(128 + error.signal)
  }
}
