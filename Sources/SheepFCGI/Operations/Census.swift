import Streaming

/// One worker's questions to all workers of the process, and the answers as they come in. Bound to its worker's thread.
final class Census {
  /// A question that is open: until all have answered, or long enough was waited for those that do not.
  private final class Inquiry {
    var reports: [WorkerReport] = []
    let answer: ([WorkerReport]) -> Void
    var timer: Timer?

    init(_ answer: @escaping ([WorkerReport]) -> Void) {
      self.answer = answer
    }
  }

  private unowned let worker: Worker
  private let handle: WorkerHandle
  private let handles: [WorkerHandle]
  private var inquiries: [Int: Inquiry] = [:]
  private var lastNumber = 0

  /// A worker's turn of the loop takes a few milliseconds; one that does not answer by then is stuck.
  private static let patience = Duration.seconds(1)

  init(_ worker: Worker, _ handle: WorkerHandle, of pool: Pool) {
    self.worker = worker
    self.handle = handle
    handles = pool.handles
  }

  /// Asks all of them how they stand.
  /// - Parameters:
  ///   - isFull: with each running stream.
  ///   - answer: gets the reports in the workers' order, once; those that are silent are missing. Not before this returns.
  /// - Returns: what calls the question off, after which `answer` is not called any more.
  func ask(isFull: Bool, _ answer: @escaping ([WorkerReport]) -> Void) -> () -> Void {
    lastNumber += 1
    let number = lastNumber
    let inquiry = Inquiry(answer)
    inquiries[number] = inquiry
    let timer = Timer { [unowned self] _ in close(number) }
    inquiry.timer = timer
    worker.timers.schedule(timer, at: worker.now + Self.patience)
    for other in handles {
      // Its own answer comes the same way, in the next turn.
      other.mailbox.post(.question(from: handle, number: number, isFull: isFull))
      // A worker that has ended reads no mail, but has left its last word. Looked for after the question was posted, as
      // `leave` does it the other way round: so one of the two is found.
      if let report = other.lastReport.withLock({ $0 }) { handle.mailbox.post(.report(report, number: number)) }
    }
    return { [weak self] in self?.drop(number) }
  }

  /// A worker has answered.
  func receive(_ report: WorkerReport, to number: Int) {
    guard let inquiry = inquiries[number], !inquiry.reports.contains(where: { $0.worker == report.worker }) else {
      return
    }
    inquiry.reports.append(report)
    if inquiry.reports.count == handles.count { close(number) }
  }

  /// Its worker ends: those who ask from here on find its last report.
  func leave(_ report: WorkerReport) {
    handle.lastReport.withLock { $0 = report }
    for case .question(let asker, let number, _) in handle.mailbox.take() {
      asker.mailbox.post(.report(report, number: number))
    }
  }

  private func close(_ number: Int) {
    guard let inquiry = drop(number) else { return }
    inquiry.answer(inquiry.reports.sorted { $0.worker < $1.worker })
  }

  @discardableResult
  private func drop(_ number: Int) -> Inquiry? {
    guard let inquiry = inquiries.removeValue(forKey: number) else { return nil }
    if let timer = inquiry.timer { worker.timers.cancel(timer) }
    return inquiry
  }
}
