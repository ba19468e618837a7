/* See load.h. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

void *allocate(size_t count, size_t size) {
  void *p = calloc(count, size);
  if (!p) fail("out of memory");
  return p;
}

double ownCpuSeconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void dial(struct connection *c, const char *host, const char *port, size_t inputBytes) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo *found = NULL;
  int code = getaddrinfo(host, port, &hints, &found);
  if (code != 0) fail("%s: %s", host, gai_strerror(code));
  c->fd = -1;
  for (struct addrinfo *a = found; a; a = a->ai_next) {
    c->fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
    if (c->fd >= 0 && connect(c->fd, a->ai_addr, a->ai_addrlen) == 0) break;
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
  }
  freeaddrinfo(found);
  if (c->fd < 0) fail("cannot connect to %s:%s: %s", host, port, strerror(errno));
  int yes = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  c->in = allocate(1, inputBytes);
  c->inSize = inputBytes;
  c->inStart = c->inEnd = 0;
}

void hangUp(struct connection *c) {
  close(c->fd);
  free(c->in);
}

void setBlocking(int fd, int blocking) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK) < 0) {
    fail("fcntl: %s", strerror(errno));
  }
}

long receiveSome(struct connection *c) {
  if (c->inStart > 0) {
    memmove(c->in, c->in + c->inStart, c->inEnd - c->inStart);
    c->inEnd -= c->inStart;
    c->inStart = 0;
  }
  if (c->inEnd == c->inSize) fail("more than %zu bytes and still no whole message", c->inSize);
  ssize_t got = recv(c->fd, c->in + c->inEnd, c->inSize - c->inEnd, 0);
  if (got > 0) {
    c->inEnd += (size_t)got;
    return got;
  }
  if (got == 0) fail("the server closed the connection");
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return -1;
  fail("recv: %s", strerror(errno));
}

void sendAll(struct connection *c, const void *data, size_t length) {
  size_t done = 0;
  while (done < length) {
    ssize_t sent = send(c->fd, (const uint8_t *)data + done, length - done, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) fail("send: %s", strerror(errno));
    done += (size_t)sent;
  }
}

int sendSome(struct connection *c, const uint8_t *data, size_t *from, size_t length) {
  while (*from < length) {
    ssize_t sent = send(c->fd, data + *from, length - *from, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 1;
      if (errno == EINTR) continue;
      fail("send: %s", strerror(errno));
    }
    *from += (size_t)sent;
  }
  return 0;
}

uint64_t parseNumber(const char *text, uint64_t low, uint64_t high) {
  char *end;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (errno || *end || end == text || value < low || value > high) {
    fail("%s is not a number from %llu to %llu", text, (unsigned long long)low,
         (unsigned long long)high);
  }
  return value;
}

double parseSeconds(const char *text) {
  char *end;
  double value = strtod(text, &end);
  if (*end || end == text || value < 0 || value > 3600) fail("%s is not a time in seconds", text);
  return value;
}

void announce(const char *event) {
  printf("{\"event\":\"%s\"}\n", event);
  fflush(stdout);
}

void reportLatency(const char *name, const struct histogram *h) {
  if (h->count == 0) return;
  printf(",\"%s\":{\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}", name,
         (double)histogramPercentile(h, 0.5) / 1e3, (double)histogramPercentile(h, 0.99) / 1e3,
         (double)histogramPercentile(h, 0.999) / 1e3, (double)h->maxNs / 1e3);
}

void histogramMerge(struct histogram *into, const struct histogram *from) {
  into->count += from->count;
  if (from->maxNs > into->maxNs) into->maxNs = from->maxNs;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) into->buckets[i] += from->buckets[i];
}
