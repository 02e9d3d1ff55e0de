// The relay on libfcgi, as its threaded example does it: each thread accepts, serves a stream and accepts again, with a
// libcurl easy handle of its own, which keeps the connection to the provider.
#include "../bare-c/wire.h"
#include <curl/curl.h>
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

// A thread holds its stream, and, as nginx keeps connections, an idle connection too: some more than maximum_streams.
enum { threads = 320, backlog = 4096, stack_bytes = 256 << 10, buffer_bytes = 16 << 10 };

static const char head[] =
    "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\nX-Accel-Buffering: no\r\n\r\n";

struct stream {
  FCGX_Stream *out;
  struct text rest, events;
  bool done;
};

static bool put(struct stream *stream) {
  bool sent = FCGX_PutStr(stream->events.bytes, stream->events.length, stream->out) >= 0 && FCGX_FFlush(stream->out) == 0;
  stream->events.length = 0;
  return sent;
}

static size_t take(char *bytes, size_t size, size_t count, void *context) {
  struct stream *stream = context;
  if (stream->done) return size * count; // read to its end, the connection is kept
  stream->done = tell(&stream->events, &stream->rest, bytes, size * count);
  if (stream->events.length && !put(stream)) return 0; // the client left
  return size * count;
}

static void serve(struct stream *stream, CURL *call, FCGX_Request *request) {
  const char *query = FCGX_GetParam("QUERY_STRING", request->envp);
  char failure[CURL_ERROR_SIZE] = "the provider ended without [DONE]";
  struct text body = {0};
  append_call(&body, query ? query : "", query ? strlen(query) : 0);
  stream->out = request->out;
  stream->rest.length = stream->events.length = 0;
  stream->done = false;
  append_string(&stream->events, head);

  curl_easy_setopt(call, CURLOPT_POSTFIELDSIZE, (long)body.length);
  curl_easy_setopt(call, CURLOPT_POSTFIELDS, body.bytes);
  curl_easy_setopt(call, CURLOPT_ERRORBUFFER, failure);
  curl_easy_perform(call);
  curl_easy_setopt(call, CURLOPT_ERRORBUFFER, NULL);
  if (!stream->done) {
    append_error(&stream->events, failure);
    put(stream);
  }
  release(&body);
}

static void *work(void *listener) {
  struct stream stream = {0};
  FCGX_Request request;
  CURL *call = curl_easy_init();
  char url[512];
  snprintf(url, sizeof url, "%s/chat/completions", getenv("PROVIDER"));
  curl_easy_setopt(call, CURLOPT_URL, url);
  curl_easy_setopt(call, CURLOPT_HTTPHEADER, curl_slist_append(NULL, "Content-Type: application/json"));
  curl_easy_setopt(call, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(call, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(call, CURLOPT_BUFFERSIZE, (long)buffer_bytes);
  curl_easy_setopt(call, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(call, CURLOPT_WRITEDATA, &stream);

  // The example's mutex around the accept is left out: Linux needs none, and a kept connection waits in there.
  FCGX_InitRequest(&request, *(int *)listener, 0);
  while (FCGX_Accept_r(&request) == 0) {
    serve(&stream, call, &request);
    FCGX_Finish_r(&request);
  }
  return NULL;
}

int main(void) {
  pthread_attr_t small;
  pthread_t thread;
  curl_global_init(CURL_GLOBAL_ALL);
  FCGX_Init();
  signal(SIGTERM, SIG_DFL); // libfcgi's handler would wait for each thread's next request
  int listener = FCGX_OpenSocket(getenv("SOCKET"), backlog);
  if (listener < 0 || chmod(getenv("SOCKET"), 0666)) {
    perror("relay: SOCKET");
    return 1;
  }
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, stack_bytes);
  for (int i = 0; i < threads; i++)
    if (pthread_create(&thread, &small, work, &listener)) {
      perror("relay: pthread_create");
      return 1;
    }
  pthread_join(thread, NULL);
}
