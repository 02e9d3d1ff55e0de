// The least that a relay can do: one epoll loop, libcurl's multi interface, one FastCGI record for each of libcurl's reads.
// No features, no JSON parser, no limits: the bound of what libcurl and the kernel leave for anyone.
#include "wire.h"
#include <curl/curl.h>
#include <errno.h>
#include <fastcgi.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { backlog = 4096, descriptors = 1 << 20, buffer_bytes = 2048, kept_connections = 10000, batch = 256 };

static const char head[] =
    "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n\r\n";

// One socket from nginx, with one request at a time.
struct connection {
  int fd;
  unsigned short id;
  bool keep, ended, begun; // begun: the answer's head is out
  struct text in, params;  // records not yet whole; the request's parameters
  struct text unsent;      // what the socket has not taken
  struct transfer *transfer;
};

// One call to the provider. Its connection is null once the client has the last event.
struct transfer {
  CURL *call;
  struct connection *connection;
  struct text rest;
  struct transfer *next; // while unused
};

static int poller, listener;
static CURLM *multi;
static long long timer = -1; // when libcurl wants to be called, in ms; -1: not at all
static struct connection *connections[descriptors]; // by descriptor; all others are libcurl's
static struct transfer *unused;
static struct curl_slist *headers;
static char url[512];

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static void watch(int operation, int fd, unsigned events) {
  epoll_ctl(poller, operation, fd, &(struct epoll_event){.events = events, .data.fd = fd});
}

// --- transfers -----------------------------------------------------------------------------------------------------

static size_t take(char *bytes, size_t size, size_t count, void *context);

static struct transfer *new_transfer(void) {
  struct transfer *transfer = unused;
  if (transfer) {
    unused = transfer->next;
    return transfer;
  }
  transfer = calloc(1, sizeof *transfer);
  CURL *call = transfer->call = curl_easy_init();
  curl_easy_setopt(call, CURLOPT_URL, url);
  curl_easy_setopt(call, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(call, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(call, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(call, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(call, CURLOPT_BUFFERSIZE, (long)buffer_bytes);
  curl_easy_setopt(call, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(call, CURLOPT_WRITEDATA, transfer);
  curl_easy_setopt(call, CURLOPT_PRIVATE, transfer);
  return transfer;
}

// Ends the call, also before its end: then libcurl closes the provider's connection.
static void end_transfer(struct transfer *transfer) {
  curl_multi_remove_handle(multi, transfer->call);
  transfer->connection = NULL;
  transfer->rest.length = 0;
  transfer->next = unused;
  unused = transfer;
}

// --- connections ---------------------------------------------------------------------------------------------------

static void close_connection(struct connection *connection) {
  if (connection->transfer) end_transfer(connection->transfer);
  connections[connection->fd] = NULL;
  close(connection->fd);
  release(&connection->in);
  release(&connection->params);
  release(&connection->unsent);
  free(connection);
}

// A dead socket shows at the next read.
static void write_bytes(struct connection *connection, const char *bytes, size_t length) {
  if (!connection->unsent.length) {
    ssize_t sent = send(connection->fd, bytes, length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return;
    if (sent > 0) bytes += sent, length -= sent;
    if (!length) return;
    watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN | EPOLLOUT);
  }
  append(&connection->unsent, bytes, length);
}

static void append_header(struct text *records, int type, int id, size_t length) {
  append(records, (unsigned char[]){FCGI_VERSION_1, type, id >> 8, id, length >> 8, length, 0, 0}, FCGI_HEADER_LEN);
}

// Sends the events, and after the last the request's end; the connection may then be gone.
static void write_events(struct connection *connection, const struct text *events, bool last) {
  static struct text records;
  records.length = 0;
  for (size_t at = 0, length; at < events->length; at += length) {
    length = events->length - at < FCGI_MAX_LENGTH ? events->length - at : FCGI_MAX_LENGTH;
    append_header(&records, FCGI_STDOUT, connection->id, length);
    append(&records, events->bytes + at, length);
  }
  if (last) {
    append_header(&records, FCGI_STDOUT, connection->id, 0);
    append_header(&records, FCGI_END_REQUEST, connection->id, sizeof(FCGI_EndRequestBody));
    append(&records, &(FCGI_EndRequestBody){.protocolStatus = FCGI_REQUEST_COMPLETE}, sizeof(FCGI_EndRequestBody));
  }
  write_bytes(connection, records.bytes, records.length);
  if (!last) return;
  connection->transfer->connection = NULL;
  connection->transfer = NULL;
  connection->ended = true;
  if (!connection->keep && !connection->unsent.length) close_connection(connection);
}

static struct text *new_events(struct connection *connection) {
  static struct text events;
  events.length = 0;
  if (!connection->begun) append_string(&events, head);
  return &events;
}

static size_t take(char *bytes, size_t size, size_t count, void *context) {
  struct transfer *transfer = context;
  struct connection *connection = transfer->connection;
  if (!connection) return size * count; // read to its end, the provider's connection is kept
  if (connection->unsent.length) return CURL_WRITEFUNC_PAUSE;
  struct text *events = new_events(connection);
  size_t begin = events->length;
  bool last = tell(events, &transfer->rest, bytes, size * count);
  if (events->length == begin) return size * count;
  connection->begun = true;
  write_events(connection, events, last);
  return size * count;
}

static void finish_transfers(void) {
  int left;
  for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));) {
    struct transfer *transfer;
    CURLcode result = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    if (transfer->connection) {
      struct text *events = new_events(transfer->connection);
      append_error(events, result ? curl_easy_strerror(result) : "the provider ended without [DONE]");
      write_events(transfer->connection, events, true);
    }
    end_transfer(transfer);
  }
}

// --- requests ------------------------------------------------------------------------------------------------------

static size_t take_length(const unsigned char **at, const unsigned char *end) {
  if (*at < end && **at < 0x80) return *(*at)++;
  if (end - *at < 4) return SIZE_MAX / 2; // longer than anything: the parameters are broken
  const unsigned char *bytes = *at;
  *at += 4;
  return (size_t)(bytes[0] & 0x7f) << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

static void append_query_call(struct text *body, const struct text *params) {
  const unsigned char *at = (unsigned char *)params->bytes, *end = at + params->length;
  while (at < end) {
    size_t name = take_length(&at, end), value = take_length(&at, end);
    if (name + value > (size_t)(end - at)) break;
    if (name == 12 && !memcmp(at, "QUERY_STRING", 12)) {
      append_call(body, (const char *)at + name, value);
      return;
    }
    at += name + value;
  }
  append_call(body, "", 0);
}

static void begin(struct connection *connection) {
  struct transfer *transfer = connection->transfer = new_transfer();
  struct text body = {0};
  transfer->connection = connection;
  connection->begun = connection->ended = false;
  append_query_call(&body, &connection->params);
  release(&connection->params);
  curl_easy_setopt(transfer->call, CURLOPT_POSTFIELDSIZE, (long)body.length);
  curl_easy_setopt(transfer->call, CURLOPT_COPYPOSTFIELDS, body.bytes);
  release(&body);
  curl_multi_add_handle(multi, transfer->call);
}

// Takes the whole records; false when the connection must go.
static bool take_records(struct connection *connection) {
  struct text *in = &connection->in;
  size_t at = 0;
  while (in->length - at >= FCGI_HEADER_LEN) {
    const unsigned char *header = (unsigned char *)in->bytes + at, *content = header + FCGI_HEADER_LEN;
    size_t length = header[4] << 8 | header[5], whole = FCGI_HEADER_LEN + length + header[6];
    if (in->length - at < whole) break;
    switch (header[1]) {
    case FCGI_BEGIN_REQUEST:
      if (connection->transfer || length < sizeof(FCGI_BeginRequestBody)) return false;
      connection->id = header[2] << 8 | header[3];
      connection->keep = content[2] & FCGI_KEEP_CONN;
      connection->params.length = 0;
      break;
    case FCGI_PARAMS: append(&connection->params, content, length); break;
    case FCGI_STDIN:
      if (!length && !connection->transfer) begin(connection);
      break;
    case FCGI_ABORT_REQUEST: return false;
    }
    at += whole;
  }
  in->length -= at;
  if (in->length) memmove(in->bytes, in->bytes + at, in->length);
  else release(in);
  return true;
}

static void read_connection(struct connection *connection) {
  static char bytes[64 << 10];
  ssize_t length = recv(connection->fd, bytes, sizeof bytes, 0);
  if (length < 0 && errno == EAGAIN) return;
  if (length > 0) append(&connection->in, bytes, length);
  if (length <= 0 || !take_records(connection)) close_connection(connection); // with it, its call
}

// The socket takes more.
static void resume(struct connection *connection) {
  struct text *unsent = &connection->unsent;
  ssize_t sent = send(connection->fd, unsent->bytes, unsent->length, MSG_NOSIGNAL);
  if (sent < 0) return;
  unsent->length -= sent;
  memmove(unsent->bytes, unsent->bytes + sent, unsent->length);
  if (unsent->length) return;
  release(unsent);
  watch(EPOLL_CTL_MOD, connection->fd, EPOLLIN);
  if (connection->transfer) curl_easy_pause(connection->transfer->call, CURLPAUSE_CONT);
  else if (connection->ended && !connection->keep) close_connection(connection);
}

static void accept_connections(void) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
    connections[fd] = calloc(1, sizeof(struct connection));
    connections[fd]->fd = fd;
    watch(EPOLL_CTL_ADD, fd, EPOLLIN);
  }
}

// --- the loop ------------------------------------------------------------------------------------------------------

static int on_socket(CURL *call, curl_socket_t fd, int what, void *context, void *watched) {
  (void)call, (void)context;
  unsigned events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
  watch(what == CURL_POLL_REMOVE ? EPOLL_CTL_DEL : watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
  if (what != CURL_POLL_REMOVE) curl_multi_assign(multi, fd, multi);
  return 0;
}

static int on_timer(CURLM *of, long milliseconds, void *context) {
  (void)of, (void)context;
  timer = milliseconds < 0 ? -1 : now() + milliseconds;
  return 0;
}

static int wait_milliseconds(void) {
  if (timer < 0) return -1;
  long long left = timer - now();
  return left < 0 ? 0 : left;
}

static void dispatch(int fd, unsigned events) {
  int running;
  struct connection *connection = connections[fd];
  if (fd == listener) accept_connections();
  else if (!connection) {
    int ready = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
    curl_multi_socket_action(multi, fd, ready, &running);
  } else if (events & ~EPOLLOUT) read_connection(connection);
  else resume(connection);
}

static void listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || chmod(path, 0666) || listen(listener, backlog)) {
    perror("relay: SOCKET");
    exit(1);
  }
}

int main(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < descriptors ? limit.rlim_max : descriptors;
  setrlimit(RLIMIT_NOFILE, &limit);
  signal(SIGPIPE, SIG_IGN);

  snprintf(url, sizeof url, "%s/chat/completions", getenv("PROVIDER"));
  curl_global_init(CURL_GLOBAL_ALL);
  headers = curl_slist_append(NULL, "Content-Type: application/json");
  multi = curl_multi_init();
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)kept_connections);
  curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);

  poller = epoll_create1(EPOLL_CLOEXEC);
  listen_at(getenv("SOCKET"));
  watch(EPOLL_CTL_ADD, listener, EPOLLIN);
  for (;;) {
    struct epoll_event events[batch];
    int count = epoll_wait(poller, events, batch, wait_milliseconds());
    for (int i = 0; i < count; i++) dispatch(events[i].data.fd, events[i].events);
    if (timer >= 0 && timer <= now()) {
      int running;
      timer = -1;
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    finish_transfers();
  }
}
