/// What has changed against an earlier run.
struct Comparison {
  private let earlier: Results

  init(to earlier: Results) {
    self.earlier = earlier
  }

  /// One figure's change.
  enum Change: Equatable {
    /// By so much of the earlier value: 0.1 is a tenth more.
    case relative(Double)
    /// The earlier value was 0, of which nothing is a share.
    case fromZero
    /// There is no earlier value.
    case unknown

    init(from earlier: Double?, to value: Double) {
      guard let earlier else {
        self = .unknown
        return
      }
      self =
        if earlier != 0 {
          .relative((value - earlier) / abs(earlier))
        } else {
          value == 0 ? .relative(0) : .fromZero
        }
    }

    /// As it stands behind a figure; empty where nothing is known.
    var text: String {
      switch self {
      case .unknown: return ""
      case .fromZero: return "(was 0)"
      case .relative(let share):
        let percent = Number.text(share * 100, digits: abs(share) < 0.1 ? 1 : 0)
        return "(\(share > 0 && !percent.allSatisfy { $0 == "0" || $0 == "." } ? "+" : "")\(percent) %)"
      }
    }

    /// Whether it is for the worse, and by more than these machines' noise of a tenth.
    func isWorse(_ better: Quantity.Better) -> Bool {
      switch (self, better) {
      case (.relative(let share), .lower): share > 0.1
      case (.relative(let share), .higher): share < -0.1
      case (.fromZero, .lower): true
      default: false
      }
    }
  }

  func change(_ figure: Figure, of contender: String, in phase: PhaseName, row: String) -> Change {
    let rows = earlier.contenders.first { $0.name == contender }?.phases.first { $0.phase == phase }?.rows
    return Change(from: rows?.first { $0.label == row }?.figure(figure.quantity), to: figure.value)
  }

  /// Why the figures of the two runs do not compare well.
  func reservations(_ results: Results) -> [String] {
    var reasons: [String] = []
    if earlier.interruptedAt != nil || results.interruptedAt != nil {
      reasons.append("one of the two runs was interrupted")
    }
    if earlier.isQuick != results.isQuick { reasons.append("one of the two runs was a quick one") }
    if earlier.machine.processor != results.machine.processor || earlier.machine.cores != results.machine.cores {
      reasons.append("the earlier run was on another machine (\(earlier.machine.summary)): only ratios compare")
    }
    return reasons
  }

  var date: String { earlier.date }
}
