import Foundation
import Testing

@testable import StreamBench

struct FigureTests {
  @Test(arguments: [Double.nan, .infinity, -.infinity])
  func `what is no finite number is no figure, and does not get into the results`(value: Double) throws {
    let perhaps: Double? = value
    #expect(Figure(.floodToAlone, perhaps) == nil)
    let row = PhaseResult.Row(figures: [Figure(.floodToAlone, value), Figure(.flood, 5)])
    #expect(row.figures == [Figure(.flood, 5)])
    #expect(throws: Never.self) { try JSONEncoder().encode(row) }
  }
}
