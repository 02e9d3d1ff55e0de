// What both peers in C share: the prompt on its way to the provider, the provider's lines on theirs to the client.
// No JSON parser: a token's literal is found and copied as it stands.
#pragma once
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bytes that grow. All zero is empty.
struct text {
  char *bytes;
  size_t length, capacity;
};

static void append(struct text *text, const void *bytes, size_t length) {
  if (text->length + length > text->capacity) {
    text->capacity = 2 * (text->length + length);
    text->bytes = realloc(text->bytes, text->capacity);
    if (!text->bytes) abort();
  }
  if (length) memcpy(text->bytes + text->length, bytes, length);
  text->length += length;
}

static void append_string(struct text *text, const char *string) { append(text, string, strlen(string)); }

static void release(struct text *text) {
  free(text->bytes);
  *text = (struct text){0};
}

// Appends what a JSON string holds of the bytes.
static void append_escaped(struct text *text, const char *bytes, size_t length) {
  for (; length--; bytes++) {
    char escape[8];
    if (*bytes == '"' || *bytes == '\\') append(text, (char[]){'\\', *bytes}, 2);
    else if ((unsigned char)*bytes < 0x20) append(text, escape, sprintf(escape, "\\u%04x", *bytes));
    else append(text, bytes, 1);
  }
}

static int hex(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  digit |= 0x20;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

// Appends the call's body, with the prompt out of the query string.
static void append_call(struct text *body, const char *query, size_t length) {
  const char *end = query + length;
  append_string(body, "{\"model\":\"mock\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"");
  while (query < end && (end - query < 7 || memcmp(query, "prompt=", 7))) {
    const char *ampersand = memchr(query, '&', end - query);
    query = ampersand ? ampersand + 1 : end;
  }
  if (query < end)
    for (query += 7; query < end && *query != '&'; query++) {
      char byte = *query == '+' ? ' ' : *query;
      if (byte == '%' && end - query > 2 && hex(query[1]) >= 0 && hex(query[2]) >= 0) {
        byte = hex(query[1]) << 4 | hex(query[2]);
        query += 2;
      }
      append_escaped(body, &byte, 1);
    }
  append_string(body, "\"}]}");
}

static void append_error(struct text *events, const char *message) {
  append_string(events, "event: error\ndata: {\"message\":\"");
  append_escaped(events, message, strlen(message));
  append_string(events, "\"}\n\n");
}

// Appends the event that a line of the provider's makes, if any; true when it was the last.
static bool tell_line(struct text *events, const char *line, size_t length) {
  static const char name[] = "\"content\":";
  const char *end = line + length;
  if (length < 5 || memcmp(line, "data:", 5)) return false;
  for (line += 5; line < end && *line == ' ';) line++;
  if (end - line >= 6 && !memcmp(line, "[DONE]", 6)) {
    append_string(events, "event: done\ndata: {}\n\n");
    return true;
  }
  const char *token = memmem(line, end - line, name, sizeof name - 1);
  if (!token) return false;
  for (token += sizeof name - 1; token < end && *token == ' ';) token++;
  if (token == end || *token++ != '"') return false; // null
  const char *quote = token;
  while (quote < end && *quote != '"') quote += *quote == '\\' ? 2 : 1;
  if (quote == token || quote >= end) return false;
  append_string(events, "data: {\"token\":\"");
  append(events, token, quote - token);
  append_string(events, "\"}\n\n");
  return false;
}

// Appends the events of all lines that end in these bytes, and keeps in `rest` the line that does not yet; true at the last event.
static bool tell(struct text *events, struct text *rest, const char *bytes, size_t length) {
  for (const char *newline; (newline = memchr(bytes, '\n', length));) {
    size_t line = newline - bytes;
    bool last;
    if (rest->length) {
      append(rest, bytes, line);
      last = tell_line(events, rest->bytes, rest->length);
      rest->length = 0;
    } else {
      last = tell_line(events, bytes, line);
    }
    if (last) return true;
    bytes = newline + 1;
    length -= line + 1;
  }
  append(rest, bytes, length);
  return false;
}
