/// The tokens of a reply, in order: reasoning, content, fragments of tool calls.
struct Generation {
  enum Token: Equatable {
    case reasoning(String)
    /// `<number>:<time>`, written when it is sent.
    case stamp(Int)
    case text(String)
    case toolCall(Int, ToolFragment)
  }

  enum ToolFragment: Equatable {
    case opening(id: String, name: String)
    case arguments(String)
  }

  private enum Content {
    case stamps
    /// From the front again where more are asked for.
    case pieces([String])
  }

  let reasoningCount: Int
  private(set) var contentCount: Int
  let toolCount: Int
  private let content: Content

  /// Tokens in all.
  var count: Int { reasoningCount + contentCount + toolCount * Self.fragmentsPerCall }

  init(_ script: Script) {
    reasoningCount = script.reasoning
    toolCount = script.tools
    if let pieces = script.text?.tokens {
      content = .pieces(pieces)
      contentCount = script.tokens ?? pieces.count
    } else {
      content = .stamps
      // A model that calls tools mostly says nothing beside it.
      contentCount = script.tokens ?? (script.tools > 0 ? 0 : 20)
    }
  }

  init(pieces: [String]) {
    reasoningCount = 0
    toolCount = 0
    content = .pieces(pieces)
    contentCount = pieces.count
  }

  /// Leaves out the content tokens that do not fit into so many bytes.
  mutating func limit(toBytes limit: Int, tokenBytes: Int) {
    // A stamp takes up to 29 bytes, a piece of a text up to 16.
    contentCount = min(contentCount, limit / max(tokenBytes, 32))
  }

  /// `index` counts from 0 and is below `count`.
  func token(_ index: Int) -> Token {
    if index < reasoningCount { return .reasoning("thought-\(index) ") }
    let index = index - reasoningCount
    if index < contentCount {
      return switch content {
      case .stamps: .stamp(index)
      case .pieces(let pieces): .text(pieces[index % pieces.count])
      }
    }
    let (call, fragment) = (index - contentCount).quotientAndRemainder(dividingBy: Self.fragmentsPerCall)
    return .toolCall(call, Self.fragment(fragment, of: call))
  }

  static let fragmentsPerCall = 5

  /// The arguments of a call are `{"number":CALL,"city":"Zürich"}`, broken where it hurts: inside names and texts.
  private static func fragment(_ index: Int, of call: Int) -> ToolFragment {
    switch index {
    case 0: .opening(id: "call_mock_\(call)", name: "get_weather")
    case 1: .arguments("{\"num")
    case 2: .arguments("ber\":\(call),")
    case 3: .arguments("\"city\":\"Zü")
    default: .arguments("rich\"}")
    }
  }
}
