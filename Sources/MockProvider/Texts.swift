/// Texts that are hard to pass on unharmed.
enum NamedText: String {
  case emoji, rtl, mixed, markdown

  /// The text in tokens of one to four code points, so that borders fall inside of what a reader sees as one character.
  var tokens: [String] {
    let scalars = Array(text.unicodeScalars)
    var tokens: [String] = []
    var start = 0
    while start < scalars.count {
      let end = min(scalars.count, start + [3, 1, 4, 2][tokens.count % 4])
      var token = String.UnicodeScalarView()
      token.append(contentsOf: scalars[start..<end])
      tokens.append(String(token))
      start = end
    }
    return tokens
  }

  var text: String {
    switch self {
    case .emoji: Self.emojiText
    case .rtl: Self.rtlText
    case .mixed: Self.mixedText
    case .markdown: Self.markdownText
    }
  }

  /// Families joined by zero-width joiners, flags of regional and of tag letters, skin tones, keycaps.
  private static let emojiText = """
    Sheep 🐑🐑🐏, a family 👨‍👩‍👧‍👦, two more 👩‍👩‍👦 👨‍👨‍👧‍👧, flags 🇩🇪🇯🇵🇧🇷 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏳️‍🌈 🏴‍☠️, hands 👋🏻👋🏼👋🏽👋🏾👋🏿, \
    at work 👩🏽‍🚀 🧑🏿‍💻 👨🏼‍🍳, hearts ❤️ ❤️‍🔥 💔, keys 1️⃣ #️⃣, a face in clouds 😶‍🌫️, holding hands 🧑🏻‍🤝‍🧑🏿. Done ✅
    """

  private static let rtlText = """
    مرحبا بالعالم، هذا نص قصير يصل كلمة بعد كلمة. هل ترى الحروف متصلة كما يجب؟
    שלום עולם, זהו טקסט קצר שמגיע מילה אחר מילה. האם האותיות מופיעות מימין לשמאל?
    العدد ١٢٣ و‏456، والكلمة English في الوسط. נִקּוּד עִבְרִי: שָׁלוֹם.
    """

  private static let mixedText = """
    English, Deutsch mit Umlauten äöüß, français où ça s’écrit, ελληνικά, русский, 日本語の文章、中文句子，한국어 문장, \
    हिन्दी में वाक्य, ไทยไม่มีช่องว่าง, العربية مع English و 123, עברית (בסוגריים), 𝔪𝔞𝔱𝔥 ∑∫√ 𠮷野家, z̷̧̛a̸l̶g̵o̷, 👩‍💻 🇪🇺.
    "Quotes", \\backslashes\\, a tab\tand a line
    end; <script>alert('not run')</script> & &amp; %20 %s {"token":"x"} data: [DONE]
    """

  private static let markdownText = """
    # Streaming a token

    A gateway does **three** things, and *none* of them is `magic`:

    1. it reads an event,
    2. it takes the text out,
    3. it passes the text on.

    | Step | Cost |
    | --- | ---: |
    | read | 2 µs |
    | write | 3 µs |

    ```swift
    for try await token in stream {
      print("token: \\(token)", terminator: "")
    }
    ```

    > Nothing is delayed to be batched. See [the design](https://example.org/design?a=1&b=2).

    - [x] tested
    - [ ] painted

    """
}
