/// How a provider is spoken to.
public enum Wire: String, Sendable, CaseIterable {
  case openai, anthropic, gemini
}
