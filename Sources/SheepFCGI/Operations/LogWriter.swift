import Glibc

/// Lays lines out and writes them. What cannot be written is lost, counted, and told once writing works again: a log
/// that nobody can read is no reason to stop. Bound to the log's thread.
struct LogWriter {
  private var destination: LogDestination
  /// Lines that were lost and not told yet.
  var lost = 0
  /// Whether the last write to a file ended within a line.
  private var isInsideLine = false

  /// With more in one write a pipe may block, and lines of several processes mix.
  private static let chunkBytes = Int(PIPE_BUF)

  init(_ destination: LogDestination) {
    self.destination = destination
  }

  mutating func change(to destination: LogDestination) {
    if case .file(let new) = destination.medium, case .file(let old) = self.destination.medium {
      if !new.isSame(as: old) { isInsideLine = false }
    } else {
      isInsideLine = false
    }
    self.destination = destination
  }

  /// Deals with the first lines, as many as go into one write.
  /// - Parameter mayWait: whether a reader that does not keep up is still to be waited for.
  /// - Returns: the lines that are written or lost, and how many of them are lost. None: `mayWait` said no.
  mutating func write(_ lines: ArraySlice<LogLine>, mayWait: () -> Bool) -> (done: Int, lost: Int) {
    let (written, tried, end) = put(lines, mayWait)
    guard end == .failed else { return (written, 0) }
    lost += tried - written
    return (tried, tried - written)
  }

  mutating func tellLost(mayWait: () -> Bool) {
    guard lost > 0 else { return }
    let line = LogLine(level: "warning", lost == 1 ? "1 log line was lost" : "\(lost) log lines were lost")
    if put([line], mayWait).written == 1 { lost = 0 }
  }

  private mutating func put(
    _ lines: ArraySlice<LogLine>, _ mayWait: () -> Bool
  ) -> (written: Int, tried: Int, end: WriteEnd) {
    switch destination.medium {
    case .file(let file): return put(lines, into: file, mayWait)
    case .socket(let socket):
      guard let line = lines.first else { return (0, 0, .done) }
      let end = socket.send(line.datagram(socket.form, destination.format), mayWait: mayWait)
      return (end == .done ? 1 : 0, 1, end)
    }
  }

  private mutating func put(
    _ lines: ArraySlice<LogLine>, into file: LogFile, _ mayWait: () -> Bool
  ) -> (written: Int, tried: Int, end: WriteEnd) {
    let newline = UInt8(ascii: "\n")
    var text = isInsideLine ? [newline] : []
    var ends: [Int] = []
    for line in lines {
      let bytes = line.bytes(destination.format)
      guard ends.isEmpty || text.count + bytes.count <= Self.chunkBytes else { break }
      text += bytes
      ends.append(text.count)
    }
    let (count, end) = file.write(text, mayWait: mayWait)
    if count > 0 { isInsideLine = text[count - 1] != newline }
    return (ends.count { $0 <= count }, ends.count, end)
  }
}
