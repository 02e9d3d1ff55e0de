import Testing

@testable import Streaming

struct UsageTests {
  @Test func `a million tokens cost their price`() {
    let price = Price(prompt: 2, completion: 8)
    #expect(price.cost(of: Usage(promptTokens: 1_000_000, completionTokens: 0)) == 2)
    #expect(price.cost(of: Usage(promptTokens: 0, completionTokens: 1_000_000)) == 8)
    #expect(price.cost(of: Usage(promptTokens: 0, completionTokens: 0)) == 0)
  }

  @Test func `cached tokens cost what they cost, or as much as the others`() {
    let usage = Usage(promptTokens: 1_000_000, cachedTokens: 750_000, completionTokens: 0)
    #expect(Price(prompt: 2, cached: 0.5, completion: 8).cost(of: usage) == 0.875)
    #expect(Price(prompt: 2, completion: 8).cost(of: usage) == 2)
  }

  @Test func `the sum is the provider's, else ours`() {
    #expect(Usage(promptTokens: 1, completionTokens: 2).totalTokens == 3)
    #expect(Usage(promptTokens: 1, completionTokens: 2, totalTokens: 7).totalTokens == 7)
  }
}
