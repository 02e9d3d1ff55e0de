import ArgumentParser
import Glibc

@main
struct MockProvider: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mock-provider",
    abstract: "An LLM provider without an LLM: it streams what the prompt asks it to stream.",
    discussion: """
      POST …/chat/completions speaks OpenAI's wire. Words in the last user message
      steer the reply; a prompt without any gets a few friendly sentences at a
      human pace. GET …/models lists models, GET /stats tells what was asked.

      n=TOKENS          how many (20)
      rate=PER_SECOND   how fast (0: as fast as the socket takes them)
      size=BYTES        of a token's text
      first=MS          before the first token
      linger=MS         from [DONE] to the end of the body
      split=BYTES       of each flush and HTTP chunk: borders everywhere
      line=BYTES        of the first token's line, padded with spaces
      text=NAME         emoji, rtl, mixed or markdown, a few code points a token;
                        n= cuts or repeats it
      reasoning=TOKENS  before the content
      tools=CALLS       after it, in fragments
      finish=REASON     the finish reason
      json=1            no event stream: the whole answer as JSON
      html=1            a web page
      empty=1           an event stream without an event
      silent=1          no answer at all
      fail=STATUS       a failure, with retry_after=SECONDS in its header
      error=K           after K tokens: an error inside the stream
      truncate=K        … the end of the body, no finish reason, no [DONE]
      cut=K             … the connection is closed inside the body
      drop=K            … the connection is reset
      stall=K           … silence, the connection open

      A token is "<number>:<CLOCK_MONOTONIC ns>", padded with x to its size, and a
      space. Reasoning and fragments of tool calls count as tokens.
      """)

  @Option(help: "The address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "The port to listen on; 0 picks a free one.")
  var port = 9900

  func validate() throws {
    guard (0...65535).contains(port) else { throw ValidationError("--port \(port) is no port: 0 to 65535") }
  }

  func run() throws {
    for end in [SIGTERM, SIGINT] { signal(end) { _ in _exit(0) } }
    raiseDescriptorLimit()
    let server = try Server(host: host, port: port)
    print("mock-provider listens on \(server.url)")
    fflush(nil)
    try server.run()
  }

  /// Thousands of streams are thousands of descriptors, and the usual soft limit is 1,024.
  private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}
