/* See nats-client.h. */
#include "nats-client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_BYTES (512 * 1024)

void natsFailUnexpected(const struct connection *c) {
  size_t length = c->inEnd - c->inStart;
  fail("unexpected: %.*s", (int)(length > 80 ? 80 : length), (const char *)c->in + c->inStart);
}

/* One line without its CRLF, or NULL. */
static const uint8_t *nextLine(struct connection *c, size_t *length) {
  const uint8_t *from = c->in + c->inStart;
  const uint8_t *end = memchr(from, '\n', c->inEnd - c->inStart);
  if (!end) return NULL;
  if (end == from || end[-1] != '\r') natsFailUnexpected(c);
  *length = (size_t)(end - from) - 1;
  return from;
}

int natsPinged(struct connection *c) {
  if (c->inEnd - c->inStart < 6 || memcmp(c->in + c->inStart, "PING\r\n", 6) != 0) return 0;
  c->inStart += 6;
  return 1;
}

static int answeredPing(struct connection *c) {
  int pinged = natsPinged(c);
  if (pinged) sendAll(c, "PONG\r\n", 6);
  return pinged;
}

void natsFlush(struct connection *c) {
  sendAll(c, "PING\r\n", 6);
  for (;;) {
    size_t length;
    const uint8_t *line = nextLine(c, &length);
    if (!line) {
      receiveSome(c);
    } else if (length == 4 && memcmp(line, "PONG", 4) == 0) {
      c->inStart += length + 2;
      return;
    } else if (length > 5 && memcmp(line, "INFO ", 5) == 0) {
      c->inStart += length + 2; /* servers tell again, after CONNECT or when something changes */
    } else if (!answeredPing(c)) {
      natsFailUnexpected(c);
    }
  }
}

void natsOpen(struct connection *c, const char *host, const char *port) {
  static const char connect[] =
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":true,\"lang\":\"c\",\"version\":\"1\","
    "\"protocol\":1,\"headers\":true,\"no_responders\":true,\"name\":\"nats-load\"}\r\n";
  size_t length;
  dial(c, host, port, INPUT_BYTES);
  const uint8_t *line;
  while (!(line = nextLine(c, &length))) receiveSome(c);
  if (length < 5 || memcmp(line, "INFO ", 5) != 0) natsFailUnexpected(c);
  c->inStart += length + 2;
  sendAll(c, connect, sizeof connect - 1);
  natsFlush(c);
}

void natsSubscribe(struct connection *c, const char *subject, int sid) {
  char line[256];
  int length = snprintf(line, sizeof line, "SUB %s %d\r\n", subject, sid);
  sendAll(c, line, (size_t)length);
  natsFlush(c);
}

int natsNext(struct connection *c, struct message *out) {
  size_t length;
  const uint8_t *line;
  do {
    line = nextLine(c, &length);
    if (!line) return 0;
  } while (answeredPing(c));
  if (length < 9 || memcmp(line, "MSG ", 4) != 0) natsFailUnexpected(c);
  /* MSG <subject> <sid> [reply] <bytes> */
  const uint8_t *words[4];
  size_t lengths[4];
  int count = 0;
  for (const uint8_t *at = line + 4, *end = line + length; at < end && count < 4; count++) {
    const uint8_t *blank = memchr(at, ' ', (size_t)(end - at));
    words[count] = at;
    lengths[count] = (size_t)((blank ? blank : end) - at);
    at += lengths[count] + 1;
  }
  if (count < 3) natsFailUnexpected(c);
  *out = (struct message){.subject = words[0], .subjectLength = lengths[0]};
  if (count == 4) {
    out->reply = words[2];
    out->replyLength = lengths[2];
  }
  out->bodyLength = (size_t)strtoul((const char *)words[count - 1], NULL, 10);
  out->body = line + length + 2;
  size_t total = length + 2 + out->bodyLength + 2;
  if (c->inEnd - c->inStart < total) return 0;
  if (memcmp(out->body + out->bodyLength, "\r\n", 2) != 0) natsFailUnexpected(c);
  c->inStart += total;
  return 1;
}
