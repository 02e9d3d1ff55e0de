import Streaming

/// Everything that can be set, in one place: meaning, unit, default, and what zero does.
///
/// A value is made once (`load`, from a `ConfigurationFile` or the `Environment`), checked as a whole, and never changed; a reload makes
/// another. Running streams keep the settings that they started with.
struct Settings: Sendable {
  /// Where to listen when neither `--listen` nor a launcher says so. Empty: nowhere.
  var listen: [ListenAddress] = []
  /// How Unix sockets are created.
  var listenOptions = ListenOptions()
  /// Threads, each with its own loop. Nil: the cores; 1 where descriptor 0 is the listener.
  var workers: Int? = nil
  /// `provider/model`, for requests that name none. Empty: those are refused.
  var defaultModel = ""
  /// Models to ask in turn when the one that was asked for fails before its first output. Empty: none.
  var fallback: [String] = []
  /// In the order of the file, which is that of `/v1/models`. Names are unique; `resolve` finds one.
  var providers: [Provider] = []
  var timeouts = Timeouts()
  var retry = Retry()
  var limits = Limits()
  /// Who may ask. Nil: no keys are looked at.
  var clientKeys: ClientAccess? = nil
  var queue = Queue()
  /// Where limits are counted together with other processes and machines. Nil: each process counts for itself.
  var redis: Redis? = nil
  var cors = CORS()
  var log = Log()
  /// Whether a crash may leave an image of the memory, keys and all. Takes effect at the start alone.
  var coreDumps = false
  var status = Status()

  struct ListenOptions: Sendable {
    /// Permission bits of a Unix socket.
    var mode: UInt32 = 0o660
    /// User name or number that shall own a Unix socket. Nil: who starts the program.
    var owner: String? = nil
    /// Group name or number likewise.
    var group: String? = nil
    /// Connections that the kernel keeps until a worker accepts them.
    var backlog: Int = 4096
  }

  struct Provider: Sendable {
    var name: String
    var wire: Wire
    /// Without a slash at its end.
    var baseURL: String
    /// Resolved from its references. Empty: no key is sent.
    var apiKeys: [String] = []
    /// The variable that would hold the key, where it is not set and that is no problem; else nil.
    var missingKey: String? = nil
    /// Files that keys and header values were read from.
    var secretFiles: [String] = []
    /// Sent along with each request.
    var headers: [Header] = []
    var http: HTTPVersion = .http1
    /// Whether this provider understands `stream_options`.
    var streamUsage = true
    /// The member that carries the bound on completion tokens.
    var maxTokensField = "max_tokens"
    /// Sent where the client names none and the wire needs one.
    var maxTokens = 4096
    /// In the order of the file. Names are unique; `*` lets any name through.
    var models: [Model] = []

    /// What must not be seen in any message: keys, and header values that came by reference.
    var secrets: [String] { apiKeys + headers.filter(\.isSecret).map(\.value) }
  }

  enum HTTPVersion: Sendable { case http1, http2 }

  struct Header: Sendable {
    var name: String
    var value: String
    /// Whether the value came by reference.
    var isSecret = false
  }

  struct Model: Sendable {
    var name: String
    /// Nil: unknown, so no cost is told.
    var price: Price? = nil
  }

  struct Timeouts: Sendable {
    /// Until the provider's connection stands, name lookup and TLS included.
    var connect: Duration = .seconds(10)
    /// Until the provider's first output; each attempt has it to itself.
    var firstToken: Duration = .seconds(60)
    /// Between two bytes of the provider.
    var idle: Duration = .seconds(60)
    /// For the whole answer, all attempts together.
    var total: Duration = .seconds(600)
    /// How long a client may take nothing of what waits for it.
    var clientStall: Duration = .seconds(60)
    /// How long running streams may go on after TERM.
    var drain: Duration = .seconds(30)
    /// For a request to arrive whole, from its first byte.
    var halfRequest: Duration = .seconds(10)
    /// How long a kept connection may wait for its next request. Less than nginx's keepalive_timeout costs POSTs.
    var idleConnection: Duration = .seconds(120)
    /// Silence after which a comment is sent to the client.
    var ping: Duration = .seconds(15)
    /// How long the status line is held for a provider that says nothing.
    var hold: Duration = .seconds(5)
  }

  struct Retry: Sendable {
    /// Tries of one model, before its first output; 1: never again.
    var attempts = 3
    /// Before the second try; doubled for each further one. Zero: at once.
    var backoff: Duration = .seconds(1)
    /// The longest wait for another try. A provider that asks for a longer one is not tried again. Zero: only those that
    /// ask for none.
    var maxWait: Duration = .seconds(10)
  }

  struct Limits: Sendable {
    /// A request's parameters (FastCGI PARAMS, SCGI headers).
    var paramsBytes = 64 << 10
    /// A request's body.
    var bodyBytes = 1 << 20
    /// A request's body below `/v1`, where images travel.
    var v1BodyBytes = 16 << 20
    /// One line of a provider's event stream.
    var lineBytes = 1 << 20
    /// Where a slow reader's provider is paused; resumed at half.
    var bufferBytes = 64 << 10
    /// The same for `/stream-backpressure`, counted in tokens.
    var bufferTokens = 200
    /// Streams a worker; 0: as many as the descriptors allow.
    var streams = 0
    /// Ceiling over the completion tokens that a client asks for; 0: none.
    var maxTokens = 0
    var client = Client()

    /// What one client may have.
    struct Client: Sendable {
      /// What tells clients apart.
      var by: Measure = .address
      /// Streams at the same time; 0: no bound.
      var streams = 0
      /// Requests for a stream; 0: no bound.
      var requestsPerMinute = 0

      enum Measure: Sendable {
        case address
        /// A parameter that the web server sets.
        case header(String)
        /// The client key's name.
        case key
      }
    }
  }

  struct ClientAccess: Sendable {
    /// Absolute path of the file that the keys are in.
    var file = ""
    var required: Scope = .v1
    /// Those of the file.
    var keys = ClientKeys()
    /// Whether others than the file's owner and group can read it.
    var isFileOpen = false

    /// Where a request without a key is refused.
    enum Scope: Sendable { case v1, all }
  }

  struct Queue: Sendable {
    /// Requests that wait for a stream of a worker to end, when it has no slot left; 0: such a request is refused.
    var length = 0
    /// How long each of them waits.
    var wait: Duration = .seconds(10)
  }

  struct Redis: Sendable {
    /// As messages name it: without user and password.
    var name = ""
    /// Of `name`, as it resolved when the settings were read; tried in turn.
    var addresses: [SocketAddress] = []
    var login = RedisPipeline.Login()
    /// What a request is to expect while Redis does not answer.
    var whenAway: WhenAway = .open
    /// What every name in Redis begins with.
    var prefix = "sheepfcgi:"
    /// How long a request waits for the answer.
    var timeout: Duration = .milliseconds(250)

    /// `open`: the process's own counts decide. `closed`: it is refused.
    enum WhenAway: Sendable { case open, closed }
  }

  struct CORS: Sendable {
    /// Exact origins, or `*`.
    var allowOrigins: [String] = []
    var allowCredentials = false
  }

  struct Status: Sendable {
    /// Addresses and networks whose clients may read `/status` and `/metrics`. Empty: nobody.
    var allow = ["127.0.0.1", "::1"].compactMap { HostNetwork($0) }
  }

  struct Log: Sendable {
    var to: Destination = .standardError
    /// Of requests and messages alike.
    var format: Format = .logfmt
    /// Where `to` is set, as messages name it.
    var place = ""

    enum Format: String, CaseIterable, Sendable { case logfmt, json }

    enum Destination: Equatable, Sendable {
      case standardError
      /// An absolute path; lines are appended.
      case file(path: String)
      /// The journal's own protocol, each value a field of its own.
      case journald(socket: String)
      /// A line as RFC 3164 has it.
      case syslog(socket: String)
    }
  }
}
