/*
 * AMQP 0-9-1 load generator: blasts publish frames that were encoded once, and reads deliveries by
 * their lengths in place, so that what is measured is the broker. One thread and one epoll set; per
 * pair one queue, one publishing connection and one consuming connection.
 *
 * Every body starts with its sequence number (u64, big-endian) and goes on with a fixed pattern. The
 * consumer demands every number once and in order, the length of every body, and the pattern and
 * property bytes of every 64th: a broker that loses, repeats, reorders or changes anything gets an
 * error, not a rate.
 *
 * Time: setup, warm-up (not counted), the counted window, then the rest is drained and checked.
 * On standard output: {"event":"start"} and {"event":"end"} at the edges of the window, so that the
 * caller can read the server's CPU time there ("filled" when a backlog stands, for its memory), and
 * one line with the result.
 */
#include "load-pair.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define STALL_NS 30000000000ull
#define PAIRS_MAX 64
#define FILLED_PAUSE_US 500000 /* for the caller to read the server's memory */

struct endpoint {
  struct pair *pair;
  int consuming;
  int wantsOut;
};

struct load {
  struct options options;
  struct pair pairs[PAIRS_MAX];
  struct endpoint endpoints[PAIRS_MAX * 2];
  int epoll;
  uint64_t progressNs; /* when anything last moved */
};

struct window {
  uint64_t startNs, endNs;
  struct totals start, end;
  double cpuStart, cpuEnd;
};

static struct load load;

static struct totals totalsNow(void) {
  struct totals sum = {0};
  for (int i = 0; i < load.options.pairs; i++) {
    sum.published += load.pairs[i].published;
    sum.confirmed += load.pairs[i].confirmed;
    sum.consumed += load.pairs[i].consumed;
  }
  return sum;
}

static void watchOut(struct endpoint *e, int fd, int wantsOut) {
  if (e->wantsOut == wantsOut) return;
  e->wantsOut = wantsOut;
  struct epoll_event event = {.events = EPOLLIN | (wantsOut ? EPOLLOUT : 0), .data.ptr = e};
  if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void watch(struct endpoint *e, struct pair *pair, int consuming) {
  int fd = consuming ? pair->consumer.fd : pair->publisher.fd;
  *e = (struct endpoint){.pair = pair, .consuming = consuming};
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
  setBlocking(fd, 0);
  if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

static void openPublishers(void) {
  const struct options *o = &load.options;
  for (int i = 0; i < o->pairs; i++) {
    struct pair *pair = &load.pairs[i];
    pairInit(pair, o, i);
    amqpOpen(&pair->publisher, o->host, o->port);
    amqpDeclareQueue(&pair->publisher, pair->queue, 0, o->durable, o->queueType);
    if (o->window > 0) amqpConfirmSelect(&pair->publisher);
    watch(&load.endpoints[2 * i], pair, 0);
  }
}

static void openConsumers(uint16_t prefetch, int autoAck) {
  const struct options *o = &load.options;
  for (int i = 0; i < o->pairs; i++) {
    struct pair *pair = &load.pairs[i];
    amqpOpen(&pair->consumer, o->host, o->port);
    pair->autoAck = autoAck;
    pair->consuming = 1;
    amqpConsume(&pair->consumer, pair->queue, prefetch, autoAck);
    watch(&load.endpoints[2 * i + 1], pair, 1);
    pairReceive(pair, 1, nowNs()); /* deliveries that came together with consume-ok */
    watchOut(&load.endpoints[2 * i + 1], pair->consumer.fd, pairFlushAcks(pair));
  }
}

/* One turn: read what is there, answer, and publish at most one block per pair. */
static void turn(int publishing, uint64_t publishMax) {
  int ready = 0;
  for (int i = 0; i < load.options.pairs; i++) {
    if (!load.endpoints[2 * i].wantsOut && publishing) {
      ready |= pairRoom(&load.pairs[i], publishMax) > 0;
    }
  }
  struct epoll_event events[PAIRS_MAX * 2];
  int count = epoll_wait(load.epoll, events, PAIRS_MAX * 2, ready ? 0 : 20);
  if (count < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
  uint64_t now = nowNs();
  int moved = 0;
  for (int i = 0; i < count; i++) {
    struct endpoint *e = events[i].data.ptr;
    struct connection *c = e->consuming ? &e->pair->consumer : &e->pair->publisher;
    if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
      if (receiveSome(c) > 0) moved = 1;
      pairReceive(e->pair, e->consuming, now);
    }
    if (e->consuming) watchOut(e, c->fd, pairFlushAcks(e->pair));
  }
  for (int i = 0; i < load.options.pairs; i++) {
    struct pair *pair = &load.pairs[i];
    uint64_t before = pair->published;
    int blocked = pairPublish(pair, publishing ? publishMax : 0);
    moved |= pair->published != before;
    watchOut(&load.endpoints[2 * i], pair->publisher.fd, blocked);
  }
  if (moved) {
    load.progressNs = now;
  } else if (now - load.progressNs > STALL_NS) {
    struct totals t = totalsNow();
    fail("nothing moved for %llu s: published %llu, confirmed %llu, consumed %llu",
         (unsigned long long)(STALL_NS / 1000000000ull), (unsigned long long)t.published,
         (unsigned long long)t.confirmed, (unsigned long long)t.consumed);
  }
}

static void windowStart(struct window *w) {
  for (int i = 0; i < load.options.pairs; i++) pairResetLatency(&load.pairs[i]);
  w->start = totalsNow();
  w->cpuStart = ownCpuSeconds();
  announce("start");
  w->startNs = nowNs();
}

static void windowEnd(struct window *w) {
  w->endNs = nowNs();
  announce("end");
  w->end = totalsNow();
  w->cpuEnd = ownCpuSeconds();
}

static int allDone(int consumed) {
  for (int i = 0; i < load.options.pairs; i++) {
    const struct pair *p = &load.pairs[i];
    if (p->blockFrom < p->blockTo) return 0;
    if (load.options.window > 0 && p->confirmed < p->published) return 0;
    if (consumed && p->consumed < p->published) return 0;
  }
  return 1;
}

static void runFor(double seconds) {
  uint64_t until = nowNs() + (uint64_t)(seconds * 1e9);
  while (nowNs() < until) turn(1, UINT64_MAX);
}

/* Without confirms the broker may still be reading: the ready count is polled until it is right. */
static void checkStored(void) {
  for (int i = 0; i < load.options.pairs; i++) {
    struct pair *pair = &load.pairs[i];
    setBlocking(pair->publisher.fd, 1);
    uint32_t ready = 0;
    for (int attempt = 0; attempt < 300 && ready != pair->published; attempt++) {
      if (attempt > 0) usleep(100000);
      ready = amqpDeclareQueue(&pair->publisher, pair->queue, 1, 0, NULL);
    }
    if (ready != pair->published) {
      fail("published %llu, the queue says %u", (unsigned long long)pair->published, ready);
    }
    setBlocking(pair->publisher.fd, 0);
  }
}

static void runLoad(struct window *w) {
  const struct options *o = &load.options;
  int simultaneous = o->mode == MODE_BOTH;
  if (simultaneous) openConsumers(o->prefetch, o->ackEvery == 0);
  runFor(o->warmupSeconds);
  windowStart(w);
  runFor(o->seconds);
  windowEnd(w);
  while (!allDone(simultaneous)) turn(0, 0);
  if (simultaneous) return;
  checkStored();
  openConsumers(0, 1);
  while (!allDone(1)) turn(0, 0);
}

static void runBacklog(struct window *w) {
  const struct options *o = &load.options;
  uint64_t each = o->messages / (uint64_t)o->pairs;
  for (;;) {
    int full = allDone(0);
    for (int i = 0; i < o->pairs; i++) full &= load.pairs[i].published == each;
    if (full) break;
    turn(1, each);
  }
  checkStored();
  announce("filled");
  usleep(FILLED_PAUSE_US);
  uint64_t skipped = each * (uint64_t)o->pairs / 10;
  openConsumers(o->prefetch, o->ackEvery == 0);
  while (totalsNow().consumed < skipped) turn(0, 0);
  windowStart(w);
  while (!allDone(1)) turn(0, 0);
  windowEnd(w);
}

static void finish(void) {
  for (int i = 0; i < load.options.pairs; i++) {
    struct pair *pair = &load.pairs[i];
    setBlocking(pair->consumer.fd, 1);
    setBlocking(pair->publisher.fd, 1);
    pairAckRest(pair);
    pairFlushAcks(pair);
    amqpClose(&pair->consumer);
    uint32_t left = amqpDeclareQueue(&pair->publisher, pair->queue, 1, 0, NULL);
    if (left != 0) fail("%u messages are left in the queue after all were consumed", left);
    amqpDeleteQueue(&pair->publisher, pair->queue);
    amqpClose(&pair->publisher);
  }
}

static void report(const struct window *w) {
  static struct histogram confirm, delivery;
  for (int i = 0; i < load.options.pairs; i++) {
    histogramMerge(&confirm, load.pairs[i].confirmLatency);
    histogramMerge(&delivery, load.pairs[i].deliveryLatency);
  }
  struct totals all = totalsNow();
  double seconds = (double)(w->endNs - w->startNs) / 1e9;
  printf("{\"event\":\"result\",\"seconds\":%.6f,\"published\":%llu,\"confirmed\":%llu,"
         "\"consumed\":%llu,\"generatorCpuSeconds\":%.3f,\"verified\":%llu,\"sampled\":%llu",
         seconds, (unsigned long long)(w->end.published - w->start.published),
         (unsigned long long)(w->end.confirmed - w->start.confirmed),
         (unsigned long long)(w->end.consumed - w->start.consumed), w->cpuEnd - w->cpuStart,
         (unsigned long long)all.consumed, (unsigned long long)(all.consumed / SAMPLE_EVERY));
  reportLatency("confirmUs", &confirm);
  if (load.options.mode == MODE_BOTH) reportLatency("deliveryUs", &delivery);
  puts("}");
}

int main(int argc, char **argv) {
  parseOptions(&load.options, argc, argv);
  load.epoll = epoll_create1(0);
  if (load.epoll < 0) fail("epoll_create1: %s", strerror(errno));
  load.progressNs = nowNs();
  openPublishers();
  struct window window;
  if (load.options.mode == MODE_BACKLOG) {
    runBacklog(&window);
  } else {
    runLoad(&window);
  }
  finish();
  report(&window);
  return 0;
}
