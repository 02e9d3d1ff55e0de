import Streaming

/// Who hears of a call to a provider. All of it on the worker's thread; the first two from within libcurl, so what
/// follows from them must wait until that has returned.
protocol UpstreamListener: AnyObject {
  /// The head of the reply has come.
  func upstreamAnswered(_ head: ResponseHead)
  /// Bytes of its body, valid until this returns.
  func upstreamSent(_ bytes: Span<UInt8>)
  /// Nothing more comes, and the call is over.
  func upstreamEnded(_ end: Lifecycle.UpstreamEnd)
}
