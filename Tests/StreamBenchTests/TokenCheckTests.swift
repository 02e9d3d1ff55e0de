import Testing

@testable import StreamBench

struct TokenCheckTests {
  private func check(_ numbers: some Sequence<Int>, expected: Int) -> TokenCheck {
    var check = TokenCheck()
    for number in numbers { check.receive(number) }
    check.end(expected: expected)
    return check
  }

  @Test func `all in order is clean`() {
    #expect(check(0..<100, expected: 100).isClean)
    #expect(check([], expected: 0).isClean)
  }

  @Test(arguments: 0..<10)
  func `one that is missing is lost, wherever it was`(missing: Int) {
    let check = check((0..<10).filter { $0 != missing }, expected: 10)
    #expect(check.lost == 1 && check.doubled == 0 && check.outOfOrder == 0)
  }

  @Test func `all that a cut stream did not bring are lost`() {
    #expect(check(0..<4, expected: 10).lost == 6)
    #expect(check([], expected: 10).lost == 10)
  }

  @Test(arguments: 0..<10)
  func `one that comes twice is doubled`(twice: Int) {
    let check = check(Array(0...twice) + [twice] + Array(twice + 1..<10), expected: 10)
    #expect(check.doubled == 1 && check.lost == 0 && check.outOfOrder == 0)
  }

  @Test(arguments: 0..<9)
  func `two that changed places are one out of order, and none is lost`(first: Int) {
    var numbers = Array(0..<10)
    numbers.swapAt(first, first + 1)
    let check = check(numbers, expected: 10)
    #expect(check.outOfOrder == 1 && check.lost == 0 && check.doubled == 0)
  }

  @Test func `those of one hole may come late in any order, but each only once`() {
    let check = check([0, 5, 3, 1, 4, 2, 3], expected: 6)
    #expect(check.outOfOrder == 4 && check.lost == 0 && check.doubled == 1)
  }

  @Test func `a relay full of holes takes no memory without end`() {
    let check = check(stride(from: 0, to: 1_000_000, by: 2), expected: 1_000_000)
    #expect(check.lost == 500_000)
  }
}
