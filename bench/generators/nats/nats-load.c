/*
 * NATS load generator: blasts PUB frames that were encoded once, and compares deliveries with the
 * one header that is due, so that what is measured is the server. One thread and one epoll set.
 *
 * Modes. publish: one connection, nobody subscribed. fan-out: one publisher and --subscribers
 * connections that all get everything. request: one connection asks, another answers, --window
 * requests outstanding.
 *
 * Every body starts with its sequence number (u64, little-endian) and goes on with a fixed pattern.
 * A subscriber demands every number once and in order and the exact bytes of every 64th message; a
 * requester demands its own number back on the inbox it gave. A server that loses, repeats, reorders
 * or changes anything gets an error, not a rate.
 *
 * Time: warm-up (not counted), the counted window, then the rest is drained and checked. In publish
 * mode both edges wait for a PONG, so that everything counted was also worked through, and the time
 * until that PONG counts. On standard output: {"event":"start"} and {"event":"end"} at the edges of
 * the window, so that the caller can read the server's CPU time there, and one line with the result.
 */
#include "nats-client.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define STALL_NS 30000000000ull
#define SUBSCRIBERS_MAX 64
#define BLOCK_BYTES (64 * 1024)
#define SAMPLE_EVERY 64
#define SEQUENCE_BYTES 8
#define WINDOW_MAX 256

enum mode { MODE_PUBLISH, MODE_FAN_OUT, MODE_REQUEST };

struct options {
  const char *host, *port;
  enum mode mode;
  int subscribers;
  uint32_t bodyBytes;
  uint64_t backlog; /* published and not yet delivered to the slowest subscriber */
  int window;       /* requests outstanding */
  double seconds, warmupSeconds;
};

struct subscriber {
  struct connection connection;
  uint8_t message[256 + 65536]; /* what is due next: header, body, CRLF; the number is not set */
  size_t headerBytes, messageBytes;
  uint64_t consumed;
};

static struct options options = {.host = "127.0.0.1", .port = "4222", .mode = MODE_FAN_OUT,
                                 .subscribers = 1, .bodyBytes = 128, .backlog = 50000,
                                 .window = 1, .seconds = 5, .warmupSeconds = 1};
static struct connection publisher;
static struct subscriber *subscribers;
static uint8_t *block; /* blockFrames copies of the PUB, each frameBytes long */
static size_t blockFrames, frameBytes, bodyAt, blockFrom, blockTo;
static uint64_t published;
static uint64_t progressNs;
static int epoll, pongsDue;

/* Requests: slot i has the inbox that ends in i; its number tells which answer is due. */
static struct connection responder;
static uint64_t slotNumber[WINDOW_MAX], slotSentNs[WINDOW_MAX], answered;
static int slotBusy[WINDOW_MAX];
static struct histogram roundTrip;
static char subject[64], inbox[64];

static inline uint8_t patternByte(uint32_t at) { return (uint8_t)(at * 31 + 7); }

static void fillBody(uint8_t *body) {
  for (uint32_t i = 0; i < options.bodyBytes; i++) body[i] = patternByte(i);
}

static void watch(struct connection *c, void *owner) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
  setBlocking(c->fd, 0);
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void watchOut(struct connection *c, void *owner, int wantsOut, int *now) {
  if (*now == wantsOut) return;
  *now = wantsOut;
  struct epoll_event event = {.events = EPOLLIN | (wantsOut ? EPOLLOUT : 0), .data.ptr = owner};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void prepareBlock(void) {
  char header[160];
  int length = snprintf(header, sizeof header, "PUB %s %u\r\n", subject, options.bodyBytes);
  bodyAt = (size_t)length;
  frameBytes = bodyAt + options.bodyBytes + 2;
  blockFrames = BLOCK_BYTES / frameBytes > 0 ? BLOCK_BYTES / frameBytes : 1;
  block = allocate(blockFrames, frameBytes);
  for (size_t i = 0; i < blockFrames; i++) {
    uint8_t *at = block + i * frameBytes;
    memcpy(at, header, bodyAt);
    fillBody(at + bodyAt);
    memcpy(at + frameBytes - 2, "\r\n", 2);
  }
}

static void openFanOut(void) {
  subscribers = allocate((size_t)options.subscribers, sizeof *subscribers);
  for (int i = 0; i < options.subscribers; i++) {
    struct subscriber *s = &subscribers[i];
    natsOpen(&s->connection, options.host, options.port);
    natsSubscribe(&s->connection, subject, 1);
    int length = snprintf((char *)s->message, 256, "MSG %s 1 %u\r\n", subject, options.bodyBytes);
    s->headerBytes = (size_t)length;
    fillBody(s->message + length);
    memcpy(s->message + length + options.bodyBytes, "\r\n", 2);
    s->messageBytes = s->headerBytes + options.bodyBytes + 2;
    watch(&s->connection, s);
  }
}

/* Works through the deliveries that are there: each must be the one that is due, byte by byte. */
static void deliver(struct subscriber *s) {
  struct connection *c = &s->connection;
  size_t bytes = s->messageBytes, header = s->headerBytes;
  while (c->inEnd - c->inStart >= bytes) {
    const uint8_t *at = c->in + c->inStart;
    uint64_t number;
    memcpy(&number, at + header, SEQUENCE_BYTES);
    if (memcmp(at, s->message, header) != 0) {
      if (natsPinged(c)) sendAll(c, "PONG\r\n", 6);
      else natsFailUnexpected(c);
      continue;
    }
    if (number != s->consumed || at[bytes - 1] != '\n') {
      fail("message %llu arrived where %llu was due", (unsigned long long)number,
           (unsigned long long)s->consumed);
    }
    if (number % SAMPLE_EVERY == 0 &&
        memcmp(at + header + SEQUENCE_BYTES, s->message + header + SEQUENCE_BYTES,
               bytes - header - SEQUENCE_BYTES) != 0) {
      fail("message %llu has a changed body", (unsigned long long)number);
    }
    s->consumed++;
    c->inStart += bytes;
  }
  if (natsPinged(c)) sendAll(c, "PONG\r\n", 6);
  if (c->inEnd - c->inStart >= 5 && memcmp(c->in + c->inStart, s->message, 4) != 0) {
    natsFailUnexpected(c);
  }
}

static uint64_t slowest(void) {
  uint64_t least = published;
  for (int i = 0; i < options.subscribers; i++) {
    if (subscribers[i].consumed < least) least = subscribers[i].consumed;
  }
  return least;
}

static uint64_t delivered(void) {
  uint64_t sum = 0;
  for (int i = 0; i < options.subscribers; i++) sum += subscribers[i].consumed;
  return sum;
}

static uint64_t room(void) {
  uint64_t frames = blockFrames;
  if (options.mode != MODE_FAN_OUT) return frames;
  uint64_t waiting = published - slowest();
  if (waiting >= options.backlog) return 0;
  return frames < options.backlog - waiting ? frames : options.backlog - waiting;
}

/* Publishes at most one block. Returns 1 when the socket takes no more. */
static int publish(void) {
  if (sendSome(&publisher, block, &blockFrom, blockTo)) return 1;
  if (pongsDue > 0) {
    /* Only between frames, so not when the PING is read. */
    setBlocking(publisher.fd, 1);
    for (; pongsDue > 0; pongsDue--) sendAll(&publisher, "PONG\r\n", 6);
    setBlocking(publisher.fd, 0);
  }
  uint64_t frames = room();
  if (frames == 0) return 0;
  uint8_t *at = block + bodyAt;
  for (uint64_t i = 0; i < frames; i++, at += frameBytes) {
    uint64_t number = published + i;
    memcpy(at, &number, SEQUENCE_BYTES);
  }
  published += frames;
  blockFrom = 0;
  blockTo = frames * frameBytes;
  return sendSome(&publisher, block, &blockFrom, blockTo);
}

static void checkProgress(int moved) {
  uint64_t now = nowNs();
  if (moved) {
    progressNs = now;
  } else if (now - progressNs > STALL_NS) {
    fail("nothing moved for 30 s: published %llu, slowest subscriber has %llu, answered %llu",
         (unsigned long long)published, (unsigned long long)slowest(),
         (unsigned long long)answered);
  }
}

/* One turn of the fan-out and publish modes. */
static void turn(int publishing) {
  static int wantsOut;
  struct epoll_event events[SUBSCRIBERS_MAX + 1];
  int busy = publishing && !wantsOut && room() > 0;
  int count = epoll_wait(epoll, events, SUBSCRIBERS_MAX + 1, busy ? 0 : 20);
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  int moved = 0;
  for (int i = 0; i < count; i++) {
    struct subscriber *s = events[i].data.ptr;
    if (!(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) continue;
    struct connection *c = s ? &s->connection : &publisher;
    if (receiveSome(c) > 0) moved = 1;
    if (s) deliver(s);
    else pongsDue += natsPinged(c);
  }
  uint64_t before = published;
  size_t blockBefore = blockFrom;
  int blocked = publishing ? publish() : sendSome(&publisher, block, &blockFrom, blockTo);
  watchOut(&publisher, NULL, blocked, &wantsOut);
  checkProgress(moved || published != before || blockFrom != blockBefore);
}

/* Everything sent so far has been worked through by the server. */
static void settle(void) {
  while (blockFrom < blockTo) turn(0);
  if (options.mode == MODE_FAN_OUT) {
    while (slowest() < published) turn(0);
  } else {
    setBlocking(publisher.fd, 1);
    natsFlush(&publisher);
    setBlocking(publisher.fd, 0);
  }
}

/* Sends the request of one slot: PUB <subject> <inbox>.<slot> <bytes>, number, pattern. */
static void ask(int slot) {
  static uint8_t frame[256 + 65536];
  int length = snprintf((char *)frame, 256, "PUB %s %s.%d %u\r\n", subject, inbox, slot,
                        options.bodyBytes);
  fillBody(frame + length);
  memcpy(frame + length, &published, SEQUENCE_BYTES);
  memcpy(frame + length + options.bodyBytes, "\r\n", 2);
  slotNumber[slot] = published++;
  slotBusy[slot] = 1;
  slotSentNs[slot] = nowNs();
  sendAll(&publisher, frame, (size_t)length + options.bodyBytes + 2);
}

/* Sends every request that is there back to its reply subject, in one write. */
static void respond(void) {
  static uint8_t out[WINDOW_MAX * 2048];
  struct message m;
  size_t used = 0;
  while (natsNext(&responder, &m)) {
    if (m.replyLength == 0) fail("a request without a reply subject");
    used += (size_t)sprintf((char *)out + used, "PUB %.*s %zu\r\n", (int)m.replyLength, m.reply,
                            m.bodyLength);
    memcpy(out + used, m.body, m.bodyLength + 2);
    used += m.bodyLength + 2;
  }
  if (used > 0) sendAll(&responder, out, used);
}

static void collectAnswers(void) {
  struct message m;
  size_t prefix = strlen(inbox) + 1;
  uint64_t now = nowNs();
  while (natsNext(&publisher, &m)) {
    int slot = m.subjectLength > prefix ? atoi((const char *)m.subject + prefix) : -1;
    uint64_t number;
    if (slot < 0 || slot >= options.window || !slotBusy[slot] || m.bodyLength != options.bodyBytes) {
      fail("an answer nobody waits for");
    }
    memcpy(&number, m.body, SEQUENCE_BYTES);
    if (number != slotNumber[slot]) fail("the answer to another request");
    for (uint32_t i = SEQUENCE_BYTES; i < options.bodyBytes; i++) {
      if (m.body[i] != patternByte(i)) fail("an answer has a changed body");
    }
    histogramAdd(&roundTrip, now - slotSentNs[slot]);
    slotBusy[slot] = 0;
    answered++;
  }
}

static void requestTurn(int asking) {
  for (int slot = 0; asking && slot < options.window; slot++) {
    if (!slotBusy[slot]) ask(slot);
  }
  struct epoll_event events[2];
  int count = epoll_wait(epoll, events, 2, 20);
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    struct connection *c = events[i].data.ptr;
    if (receiveSome(c) < 0) continue;
    if (c == &responder) respond();
    else collectAnswers();
  }
  checkProgress(count > 0);
}

static void openRequests(void) {
  char pattern[80];
  natsOpen(&responder, options.host, options.port);
  natsSubscribe(&responder, subject, 1);
  snprintf(pattern, sizeof pattern, "%s.*", inbox);
  natsSubscribe(&publisher, pattern, 1);
  watch(&publisher, &publisher);
  watch(&responder, &responder);
}

static void runFor(double seconds) {
  uint64_t until = nowNs() + (uint64_t)(seconds * 1e9);
  if (options.mode == MODE_REQUEST) {
    while (nowNs() < until) requestTurn(1);
  } else {
    while (nowNs() < until) turn(1);
  }
}

static uint64_t counted(void) {
  if (options.mode == MODE_PUBLISH) return published;
  return options.mode == MODE_REQUEST ? answered : delivered();
}

static void run(void) {
  runFor(options.warmupSeconds);
  if (options.mode == MODE_PUBLISH) settle();
  memset(&roundTrip, 0, sizeof roundTrip);
  uint64_t from = counted(), publishedFrom = published;
  double cpuFrom = ownCpuSeconds();
  announce("start");
  uint64_t startNs = nowNs();
  runFor(options.seconds);
  if (options.mode == MODE_PUBLISH) settle();
  uint64_t endNs = nowNs();
  announce("end");
  uint64_t to = counted(), publishedTo = published;
  double cpuTo = ownCpuSeconds();
  if (options.mode == MODE_REQUEST) {
    while (answered < published) requestTurn(0);
  } else {
    settle();
  }
  printf("{\"event\":\"result\",\"seconds\":%.6f,\"counted\":%llu,\"published\":%llu,"
         "\"publishedInAll\":%llu,\"generatorCpuSeconds\":%.3f",
         (double)(endNs - startNs) / 1e9, (unsigned long long)(to - from),
         (unsigned long long)(publishedTo - publishedFrom), (unsigned long long)published,
         cpuTo - cpuFrom);
  reportLatency("roundTripUs", &roundTrip);
  puts("}");
}

static enum mode modeOf(const char *text) {
  if (strcmp(text, "publish") == 0) return MODE_PUBLISH;
  if (strcmp(text, "fan-out") == 0) return MODE_FAN_OUT;
  if (strcmp(text, "request") == 0) return MODE_REQUEST;
  fail("mode %s is none of publish, fan-out, request", text);
}

static void parseOptions(int argc, char **argv) {
  static const struct option known[] = {
    {"host", required_argument, NULL, 'h'},        {"port", required_argument, NULL, 'p'},
    {"mode", required_argument, NULL, 'm'},        {"subscribers", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},        {"backlog", required_argument, NULL, 'b'},
    {"window", required_argument, NULL, 'w'},      {"seconds", required_argument, NULL, 'T'},
    {"warmup", required_argument, NULL, 'W'},      {NULL, 0, NULL, 0},
  };
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = optarg; break;
      case 'm': options.mode = modeOf(optarg); break;
      case 'n': options.subscribers = (int)parseNumber(optarg, 1, SUBSCRIBERS_MAX); break;
      case 's': options.bodyBytes = (uint32_t)parseNumber(optarg, 8, 65536); break;
      case 'b': options.backlog = parseNumber(optarg, 1, 10000000); break;
      case 'w': options.window = (int)parseNumber(optarg, 1, WINDOW_MAX); break;
      case 'T': options.seconds = parseSeconds(optarg); break;
      case 'W': options.warmupSeconds = parseSeconds(optarg); break;
      default: fail("unknown option");
    }
  }
  if (optind < argc) fail("unexpected argument %s", argv[optind]);
  if (options.mode == MODE_REQUEST && options.bodyBytes > 1024) fail("--size is above 1024");
}

int main(int argc, char **argv) {
  parseOptions(argc, argv);
  uint64_t id = nowNs() % 1000000007ull;
  snprintf(subject, sizeof subject, "load.%llu", (unsigned long long)id);
  snprintf(inbox, sizeof inbox, "_INBOX.%llu", (unsigned long long)id);
  epoll = epoll_create1(0);
  if (epoll < 0) fail("epoll_create1: %s", strerror(errno));
  progressNs = nowNs();
  natsOpen(&publisher, options.host, options.port);
  if (options.mode == MODE_REQUEST) {
    openRequests();
  } else {
    prepareBlock();
    if (options.mode == MODE_FAN_OUT) openFanOut();
    watch(&publisher, NULL);
  }
  run();
  return 0;
}
