/* Publishing, confirming, consuming and checking of one pair: see load-pair.h. */
#include "load-pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RING (1u << 20)
#define RING_MASK (RING - 1)
#define BLOCK_BYTES (64 * 1024)
#define CLASS_BASIC 60
#define FLAG_CONTENT_TYPE 0x8000
#define FLAG_DELIVERY_MODE 0x1000

static inline uint8_t patternByte(uint32_t at) { return (uint8_t)(at * 31 + 7); }

void pairInit(struct pair *pair, const struct options *o, int index) {
  memset(pair, 0, sizeof *pair);
  pair->options = o;
  snprintf(pair->queue, sizeof pair->queue, "%s-%d-%d", o->queue, (int)getpid(), index);

  struct bytes b = {0};
  size_t start = methodBegin(&b, 1, BASIC_PUBLISH);
  put16(&b, 0);
  putShort(&b, "");
  putShort(&b, pair->queue);
  put8(&b, 0);
  frameEnd(&b, start);

  size_t header = frameBegin(&b, FRAME_HEADER, 1);
  put16(&b, CLASS_BASIC);
  put16(&b, 0);
  put64(&b, o->bodyBytes);
  put16(&b, FLAG_CONTENT_TYPE | FLAG_DELIVERY_MODE);
  putShort(&b, "application/octet-stream");
  put8(&b, o->durable ? 2 : 1);
  frameEnd(&b, header);
  pair->propertiesBytes = (uint32_t)(b.used - header - FRAME_OVERHEAD);
  pair->properties = allocate(1, pair->propertiesBytes);
  memcpy(pair->properties, b.data + header + 7, pair->propertiesBytes);

  start = frameBegin(&b, FRAME_BODY, 1);
  pair->bodyAt = b.used;
  for (uint32_t i = 0; i < o->bodyBytes; i++) put8(&b, patternByte(i));
  frameEnd(&b, start);

  pair->messageBytes = b.used;
  pair->blockFrames = BLOCK_BYTES / b.used > 0 ? BLOCK_BYTES / b.used : 1;
  pair->block = allocate(pair->blockFrames, b.used);
  for (size_t i = 0; i < pair->blockFrames; i++) memcpy(pair->block + i * b.used, b.data, b.used);
  free(b.data);

  pair->confirmSeen = allocate(RING, 1);
  pair->sentNs = allocate(RING, sizeof *pair->sentNs);
  pair->confirmLatency = allocate(1, sizeof *pair->confirmLatency);
  pair->deliveryLatency = allocate(1, sizeof *pair->deliveryLatency);
}

void pairResetLatency(struct pair *pair) {
  memset(pair->confirmLatency, 0, sizeof *pair->confirmLatency);
  memset(pair->deliveryLatency, 0, sizeof *pair->deliveryLatency);
}

static inline uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

uint64_t pairRoom(const struct pair *pair, uint64_t publishMax) {
  const struct options *o = pair->options;
  if (pair->published >= publishMax) return 0;
  uint64_t room = least(pair->blockFrames, publishMax - pair->published);
  if (o->window > 0) {
    room = least(room, o->window - (pair->published - pair->confirmed));
    room = least(room, RING - (pair->published - pair->confirmLow));
  }
  if (pair->consuming) {
    uint64_t waiting = pair->published - pair->consumed;
    room = waiting >= o->backlog ? 0 : least(room, o->backlog - waiting);
  }
  return room;
}

static int flushBlock(struct pair *pair) {
  return sendSome(&pair->publisher, pair->block, &pair->blockFrom, pair->blockTo);
}

int pairPublish(struct pair *pair, uint64_t publishMax) {
  if (flushBlock(pair)) return 1;
  uint64_t room = pairRoom(pair, publishMax);
  if (room == 0) return 0;
  uint8_t *at = pair->block + pair->bodyAt;
  uint64_t now = nowNs();
  for (uint64_t i = 0; i < room; i++, at += pair->messageBytes) {
    set64(at, pair->published + i);
    pair->sentNs[(pair->published + i) & RING_MASK] = now;
  }
  pair->published += room;
  pair->blockFrom = 0;
  pair->blockTo = room * pair->messageBytes;
  return flushBlock(pair);
}

static inline void confirmOne(struct pair *pair, uint64_t tag, uint64_t now) {
  uint8_t *seen = &pair->confirmSeen[tag & RING_MASK];
  if (*seen) return;
  *seen = 1;
  pair->confirmed++;
  histogramAdd(pair->confirmLatency, now - pair->sentNs[(tag - 1) & RING_MASK]);
}

/* Tags count from 1 on the publishing channel, sequence numbers from 0. */
static void confirm(struct pair *pair, uint64_t tag, int multiple, uint64_t now) {
  if (tag == 0 || tag > pair->published) {
    fail("confirm for tag %llu, but only %llu were published", (unsigned long long)tag,
         (unsigned long long)pair->published);
  }
  if (!multiple) {
    if (tag <= pair->confirmLow || pair->confirmSeen[tag & RING_MASK]) {
      fail("tag %llu is confirmed twice", (unsigned long long)tag);
    }
    confirmOne(pair, tag, now);
  } else {
    for (uint64_t t = pair->confirmLow + 1; t <= tag; t++) confirmOne(pair, t, now);
  }
  while (pair->confirmSeen[(pair->confirmLow + 1) & RING_MASK]) {
    pair->confirmLow++;
    pair->confirmSeen[pair->confirmLow & RING_MASK] = 0;
  }
}

static void ack(struct pair *pair, uint64_t tag, int multiple) {
  size_t start = methodBegin(&pair->acks, 1, BASIC_ACK);
  put64(&pair->acks, tag);
  put8(&pair->acks, multiple ? 1 : 0);
  frameEnd(&pair->acks, start);
  pair->ackedTag = tag;
}

void pairAckRest(struct pair *pair) {
  if (!pair->autoAck && pair->ackedTag < pair->deliveryTag) ack(pair, pair->deliveryTag, 1);
}

static void delivered(struct pair *pair, uint64_t now) {
  uint64_t sequence = pair->consumed++;
  histogramAdd(pair->deliveryLatency, now - pair->sentNs[sequence & RING_MASK]);
  if (pair->autoAck) return;
  uint32_t every = pair->options->ackEvery > 0 ? pair->options->ackEvery : 1;
  if (pair->deliveryTag - pair->ackedTag >= every) ack(pair, pair->deliveryTag, every > 1);
}

static void deliverMethod(struct pair *pair, const uint8_t *p) {
  const uint8_t *tag = p + 5 + p[4];
  uint64_t deliveryTag = get64(tag);
  if (deliveryTag != pair->deliveryTag + 1) {
    fail("delivery tag %llu follows %llu", (unsigned long long)deliveryTag,
         (unsigned long long)pair->deliveryTag);
  }
  if (tag[8] != 0) fail("delivery %llu is marked redelivered", (unsigned long long)deliveryTag);
  if (pair->bodyLeft != 0) fail("a delivery inside the body of another");
  pair->deliveryTag = deliveryTag;
}

static void deliverHeader(struct pair *pair, const struct frame *f) {
  uint64_t bodyBytes = get64(f->payload + 4);
  if (bodyBytes != pair->options->bodyBytes) {
    fail("a body of %llu bytes was announced", (unsigned long long)bodyBytes);
  }
  if (pair->consumed % SAMPLE_EVERY == 0 &&
      (f->length != pair->propertiesBytes ||
       memcmp(f->payload, pair->properties, f->length) != 0)) {
    fail("message %llu has other properties than it was published with",
         (unsigned long long)pair->consumed);
  }
  pair->bodyLeft = bodyBytes;
  pair->bodyDone = 0;
}

static void deliverBody(struct pair *pair, const struct frame *f, uint64_t now) {
  if (f->length > pair->bodyLeft) fail("more body than announced");
  uint32_t from = 0;
  if (pair->bodyDone == 0) {
    if (f->length < 8) fail("first body frame of %u bytes", f->length);
    uint64_t sequence = get64(f->payload);
    if (sequence != pair->consumed) {
      fail("message %llu arrived where %llu was due", (unsigned long long)sequence,
           (unsigned long long)pair->consumed);
    }
    from = 8;
  }
  if (pair->consumed % SAMPLE_EVERY == 0) {
    for (uint32_t i = from; i < f->length; i++) {
      if (f->payload[i] == patternByte(pair->bodyDone + i)) continue;
      fail("message %llu has a changed body", (unsigned long long)pair->consumed);
    }
  }
  pair->bodyDone += f->length;
  pair->bodyLeft -= f->length;
  if (pair->bodyLeft == 0) delivered(pair, now);
}

static void methodFrame(struct pair *pair, const struct frame *f, int consuming, uint64_t now) {
  uint32_t method = get32(f->payload);
  if (method == BASIC_DELIVER && consuming) {
    deliverMethod(pair, f->payload);
  } else if (method == BASIC_ACK && !consuming) {
    confirm(pair, get64(f->payload + 4), f->payload[12] & 1, now);
  } else {
    failOnClose(method, f->payload);
    fail("unexpected method %u.%u", method >> 16, method & 0xffff);
  }
}

void pairReceive(struct pair *pair, int consuming, uint64_t now) {
  struct connection *c = consuming ? &pair->consumer : &pair->publisher;
  struct frame f;
  while (nextFrame(c, &f)) {
    if (f.type == FRAME_METHOD) {
      methodFrame(pair, &f, consuming, now);
    } else if (f.type == FRAME_HEADER && consuming) {
      deliverHeader(pair, &f);
    } else if (f.type == FRAME_BODY && consuming) {
      deliverBody(pair, &f, now);
    } else if (f.type != FRAME_HEARTBEAT) {
      fail("unexpected frame type %u", f.type);
    }
  }
}

int pairFlushAcks(struct pair *pair) {
  if (sendSome(&pair->consumer, pair->acks.data, &pair->acksFrom, pair->acks.used)) return 1;
  pair->acksFrom = pair->acks.used = 0;
  return 0;
}
