/*
 * What every load generator needs: a connection with its input buffer, the clock, its own CPU time,
 * numbers from the command line, and the lines the caller reads.
 */
#ifndef POSTHORN_LOAD_H
#define POSTHORN_LOAD_H

#include "histogram.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct connection {
  int fd;
  uint8_t *in; /* received and not yet parsed: in[inStart..inEnd) */
  size_t inStart, inEnd, inSize;
};

/* Prints the program's name and the message, and exits with 2: no rate without a clean run. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *allocate(size_t count, size_t size);

static inline uint64_t nowNs(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* User and system time of this process. */
double ownCpuSeconds(void);

/* Blocking TCP connect, without Nagle's delay, with an input buffer of `inputBytes`. */
void dial(struct connection *c, const char *host, const char *port, size_t inputBytes);
void hangUp(struct connection *c);
void setBlocking(int fd, int blocking);
/* Reads once into the input buffer. Returns the bytes read, or -1 when nothing is there yet. */
long receiveSome(struct connection *c);
/* For blocking sockets. */
void sendAll(struct connection *c, const void *data, size_t length);
/* Sends what the socket takes of data[*from..length). Returns 1 when some is left. */
int sendSome(struct connection *c, const uint8_t *data, size_t *from, size_t length);

uint64_t parseNumber(const char *text, uint64_t low, uint64_t high);
double parseSeconds(const char *text);

/* {"event":"…"} on a line of its own, at once: the caller reads the server's CPU time by it. */
void announce(const char *event);
/* ,"name":{"p50":…,"p99":…,"p999":…,"max":…} in microseconds; nothing for an empty histogram. */
void reportLatency(const char *name, const struct histogram *h);
void histogramMerge(struct histogram *into, const struct histogram *from);

#endif
