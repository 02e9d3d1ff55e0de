/// What waits for a client: the bytes that its connection has not taken yet.
///
/// At the high mark the provider is to be paused, at half of it resumed. The mark is no limit on one write: what the
/// provider has already sent is kept whole.
public struct BackpressureBuffer {
  /// Where the provider is paused.
  public enum Mark: Equatable, Sendable {
    case bytes(Int)
    /// So many tokens, and no more than so many bytes either.
    case tokens(Int, bytes: Int)
  }

  public enum Change: Equatable { case pause, resume }

  /// Of the room that is kept when nothing waits; a burst's is not.
  private static let spareBytes = 4096

  public let mark: Mark
  /// Whether the provider is to stand still.
  public private(set) var isPaused = false

  /// What waits, behind the bytes that are gone; writers append to it.
  var storage: [UInt8] = []
  /// Bytes at the front of `storage` that are gone.
  private var taken = 0
  /// Bytes that are gone, over the buffer's life; so a token's end can be named.
  public private(set) var takenInAll = 0
  /// Where each waiting token ends, counted as `takenInAll`; kept where tokens are the measure.
  private var tokenEnds: [Int] = []
  private var tokensTaken = 0

  public init(mark: Mark) {
    self.mark = mark
  }

  /// Bytes that wait.
  public var count: Int { storage.count - taken }
  public var isEmpty: Bool { count == 0 }
  /// Tokens that wait; 0 where they are not counted.
  public var tokenCount: Int { tokenEnds.count - tokensTaken }

  /// What waits, in order.
  public var waiting: Span<UInt8> {
    @_lifetime(borrow self)
    get { storage.span.extracting(taken..<storage.count) }
  }

  /// What was written last ends a token.
  public mutating func endToken() {
    if case .tokens = mark { tokenEnds.append(takenInAll + count) }
  }

  /// Takes the loop's own room for what comes, unless something waits here already: so an open stream that has said all
  /// holds no room, and a token finds one that is warm.
  public mutating func borrow(_ spare: inout [UInt8]) {
    if storage.isEmpty, storage.capacity < spare.capacity { swap(&storage, &spare) }
  }

  /// Gives up what room there is, if nothing waits in it; the loop has the larger of the two then.
  public mutating func giveBack(_ spare: inout [UInt8]) {
    guard storage.isEmpty else { return }
    if storage.capacity > spare.capacity { swap(&storage, &spare) }
    storage = []
  }

  /// The connection has taken the first `count` bytes.
  public mutating func take(_ count: Int) {
    taken += count
    takenInAll += count
    if taken == storage.count {
      taken = 0
      storage.removeAll(keepingCapacity: storage.capacity <= Self.spareBytes)
    } else if taken >= 1 << 16, taken * 2 >= storage.count {
      storage.removeSubrange(..<taken)
      taken = 0
    }
    while tokensTaken < tokenEnds.count, tokenEnds[tokensTaken] <= takenInAll { tokensTaken += 1 }
    if tokensTaken == tokenEnds.count {
      tokenEnds.removeAll(keepingCapacity: true)
      tokensTaken = 0
    } else if tokensTaken >= 1024, tokensTaken * 2 >= tokenEnds.count {
      tokenEnds.removeSubrange(..<tokensTaken)
      tokensTaken = 0
    }
  }

  /// Whether the provider must be paused or may be resumed now; nil where it stays as it is.
  public mutating func change() -> Change? {
    if isPaused {
      guard isBelowHalf else { return nil }
      isPaused = false
      return .resume
    }
    guard isAtMark else { return nil }
    isPaused = true
    return .pause
  }

  /// Whether so much waits that the provider is to be paused.
  public var isAtMark: Bool {
    switch mark {
    case .bytes(let bytes): count >= bytes
    case .tokens(let tokens, let bytes): tokenCount >= tokens || count >= bytes
    }
  }

  private var isBelowHalf: Bool {
    switch mark {
    case .bytes(let bytes): count <= bytes / 2
    case .tokens(let tokens, let bytes): tokenCount <= tokens / 2 && count <= bytes / 2
    }
  }
}
