/// What a prompt without a script gets: a few sentences about itself.
enum SmallTalk {
  /// Tokens a second: about as fast as one reads.
  static let rate = 30.0

  /// The reply in word-sized tokens. The same prompt gets the same reply.
  static func words(about prompt: String) -> [String] {
    let seed = hash(prompt)
    let beginning = beginning(of: prompt)
    let opening = beginning.isEmpty ? "You said nothing, and said it well." : pick(openings, seed, beginning)
    let text = [opening, pick(middles, seed >> 8, beginning), pick(closings, seed >> 16, beginning)]
    var words: [String] = []
    for word in text.joined(separator: " ").split(separator: " ") {
      words.append(words.isEmpty ? String(word) : " " + word)
    }
    return words
  }

  private static let openings = [
    "You asked me about “%”, and I am glad that you did.",
    "Ah, “%”! That is a good way to start a conversation.",
    "So you wrote “%”, and here is what comes to my mind.",
    "Thank you for “%”; nobody has put it quite like that today.",
  ]

  private static let middles = [
    "I am only a mock provider, so there is no model behind these words, just a meadow and a timer.",
    "A real model would think hard now; I merely count to thirty every second and send you a word each time.",
    "Every word that you see travels alone, from me through the gateway to you, the moment it is ready.",
    "Somewhere a sheep looks up, considers the question with great care, and goes back to its grass.",
    "If these words arrive one after another, and not all at once, then everything between us works.",
  ]

  private static let closings = [
    "Ask me something else and watch the words come in!",
    "Stop me in the middle if you like; I will notice at once.",
    "When you want a real answer, give the gateway a real provider.",
    "That is all I know, but I can say it as often as you wish.",
  ]

  private static func pick(_ sentences: [String], _ seed: UInt64, _ beginning: String) -> String {
    let sentence = sentences[Int(seed % UInt64(sentences.count))]
    guard let place = sentence.firstIndex(of: "%") else { return sentence }
    return sentence[..<place] + beginning + sentence[sentence.index(after: place)...]
  }

  /// Some 60 characters, ended at a word.
  private static func beginning(of prompt: String) -> String {
    var result = ""
    for word in prompt.prefix(600).split(whereSeparator: \.isWhitespace) {
      let longer = result.isEmpty ? String(word.prefix(60)) : result + " " + word
      if longer.count > 60 { return result + " …" }
      result = longer
    }
    return result
  }

  /// FNV-1a; the library's own hashes differ from run to run.
  private static func hash(_ text: String) -> UInt64 {
    let mixed = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return mixed ^ (mixed >> 32)
  }
}
