/// One connection to Redis, from its beginning to its end.
final class RedisLink {
  let socket: StreamSocket
  var isConnected = false
  /// The login is over.
  var isReady = false
  var wantsWrite = true

  init(_ descriptor: consuming Descriptor) {
    socket = StreamSocket(descriptor: descriptor)
  }

  var raw: Int32 { socket.descriptor.raw }
}
