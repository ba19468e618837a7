/*
 * One pair of the load: a queue, the connection that publishes to it and the one that consumes it,
 * with everything needed to know which messages are in flight and which must come next.
 */
#ifndef POSTHORN_LOAD_PAIR_H
#define POSTHORN_LOAD_PAIR_H

#include "amqp-wire.h"

#define SAMPLE_EVERY 64

/* Publish while consuming; publish only, consume afterwards; fill first, count consuming alone. */
enum mode { MODE_BOTH, MODE_PUBLISH, MODE_BACKLOG };

struct options {
  const char *host, *port, *queue, *queueType;
  enum mode mode;
  int durable; /* durable queue and persistent messages */
  int pairs;
  uint32_t bodyBytes;
  uint64_t window;   /* unconfirmed messages allowed; 0 = no confirms */
  uint64_t backlog;  /* published and not yet consumed allowed, while both run */
  uint64_t messages; /* how many the backlog mode fills in */
  uint16_t prefetch;
  uint32_t ackEvery; /* 0 = auto-ack, 1 = each alone, k = every k-th with multiple=true */
  double seconds, warmupSeconds;
};

struct totals {
  uint64_t published, confirmed, consumed;
};

struct pair {
  const struct options *options;
  char queue[200];
  struct connection publisher, consumer;

  uint8_t *block; /* blockFrames copies of the publish triple, each messageBytes long */
  size_t blockFrames, messageBytes, bodyAt;
  size_t blockFrom, blockTo; /* bytes of the block not yet taken by the socket */
  uint8_t *properties;       /* content header frame payload, for comparing what is delivered */
  uint32_t propertiesBytes;

  uint64_t published, confirmed, consumed;
  uint64_t confirmLow;  /* every tag up to and including this one is confirmed */
  uint8_t *confirmSeen; /* ring over tags above confirmLow */
  uint64_t *sentNs;     /* ring over sequence numbers */

  int autoAck, consuming;
  uint64_t bodyLeft, deliveryTag, ackedTag;
  uint32_t bodyDone;
  struct bytes acks;
  size_t acksFrom;

  struct histogram *confirmLatency, *deliveryLatency;
};

void parseOptions(struct options *options, int argc, char **argv);

void pairInit(struct pair *pair, const struct options *options, int index);
void pairResetLatency(struct pair *pair);
/* How many messages may be published now; `publishMax` bounds the total ever published. */
uint64_t pairRoom(const struct pair *pair, uint64_t publishMax);
/* Publishes at most one block. Returns 1 when the socket takes no more. */
int pairPublish(struct pair *pair, uint64_t publishMax);
/* Works through the complete frames that one of the two connections has received. */
void pairReceive(struct pair *pair, int consuming, uint64_t now);
/* Sends the acks collected so far. Returns 1 when the socket takes no more. */
int pairFlushAcks(struct pair *pair);
void pairAckRest(struct pair *pair);

#endif
