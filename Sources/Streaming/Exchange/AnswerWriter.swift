/// Writes one answer in one form. Literals are checked JSON and are copied as they stand, never decoded.
protocol AnswerWriter {
  /// The head of an answer that has begun, without what the Front adds to every answer.
  var header: ResponseHeader { get }
  /// How a failure is told before the answer has begun.
  var failureForm: FailureForm { get }
  /// Bytes that are kept back until `done`; 0 in a form that keeps nothing back.
  var collectedBytes: Int { get }

  /// `provider/model` of who speaks from here on; called before any output.
  mutating func begin(model: String)
  mutating func text(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func refusal(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func reasoning(_ literal: Span<UInt8>, to output: inout [UInt8])
  mutating func toolCall(_ fragment: ToolCallFragment, in data: Span<UInt8>, to output: inout [UInt8])
  /// A sign of life.
  func ping(to output: inout [UInt8])
  mutating func done(_ completion: Completion, to output: inout [UInt8])
  /// A failure after the answer has begun.
  func error(_ failure: Failure, to output: inout [UInt8])
}
