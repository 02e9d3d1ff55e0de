import Streaming
import Testing

@testable import SheepFCGI

struct FiguresTests {
  /// Each member of them counts something.
  private static let ofModel: ModelFigures = {
    var figures = ModelFigures()
    figures.recordFirstTokens(2, after: 5)
    figures.recordTokens(1, after: 7)
    figures.duration.record(11)
    (figures.sentBytes, figures.receivedBytes) = (1, 2)
    (figures.promptTokens, figures.completionTokens, figures.cost) = (3, 4, 0.5)
    (figures.retries, figures.fallbacks) = (6, 7)
    (figures.waitedForProvider, figures.waitedForClient) = (8, 9)
    figures.endings = ["done": 1]
    return figures
  }()

  private static let ofWorker = Figures(
    requests: [Figures.Request(route: .stream, status: 200): 1], refusals: [.keyTokens: 2],
    models: ["acme/m": ofModel], providerErrors: ["acme": [.upstreamFailed: 3]])

  /// Each member by its name, as it prints itself.
  private func members(_ figures: Any) -> [(name: String, value: String)] {
    Mirror(reflecting: figures).children.map { ($0.label ?? "", "\($0.value)") }
  }

  /// A member that was added and is forgotten where figures are put together would show here.
  private func expectAllToGrow(_ none: Any, _ one: Any, _ two: Any) {
    for ((none, one), two) in zip(zip(members(none), members(one)), members(two)) {
      #expect(none.value != one.value, "\(one.name) is not filled in by this test")
      #expect(one.value != two.value, "\(one.name) does not grow")
    }
  }

  @Test func `of two workers every figure is put together`() {
    var sum = Self.ofWorker
    sum += Self.ofWorker
    expectAllToGrow(Figures(), Self.ofWorker, sum)
    #expect(sum.requests.values.first == 2)
    #expect(sum.refusals == [.keyTokens: 4])
    #expect(sum.providerErrors == ["acme": [.upstreamFailed: 6]])
    #expect(sum.models["acme/m"]?.tokens == 6)
  }

  @Test func `of a model's every figure is put together`() {
    var sum = Self.ofModel
    sum += Self.ofModel
    expectAllToGrow(ModelFigures(), Self.ofModel, sum)
    #expect(sum.promptTokens == 6)
    #expect(sum.cost == 1)
    #expect(sum.endings == ["done": 2])
    #expect(sum.firstToken.count == 2)
    #expect(sum.tokenGap.count == 4)
  }
}
