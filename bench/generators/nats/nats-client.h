/* The NATS client protocol as far as the load needs it: see nats-load.c. */
#ifndef POSTHORN_NATS_CLIENT_H
#define POSTHORN_NATS_CLIENT_H

#include "../common/load.h"

struct message {
  const uint8_t *subject, *reply, *body; /* into the input buffer: good until the next read */
  size_t subjectLength, replyLength, bodyLength;
};

/* Blocking: connect, CONNECT without verbose, wait for the PONG. */
void natsOpen(struct connection *c, const char *host, const char *port);
/* Blocking: returns when the server has the subscription. */
void natsSubscribe(struct connection *c, const char *subject, int sid);
/* Blocking: returns when the server has worked through everything sent before. */
void natsFlush(struct connection *c);
/* The next complete message in the input buffer, 0 when there is none; answers pings. */
int natsNext(struct connection *c, struct message *out);
/* Takes a PING out of the input buffer, if it is what comes next; the caller owes the PONG. */
int natsPinged(struct connection *c);
/* Exits with what the server sent instead of what was due. */
_Noreturn void natsFailUnexpected(const struct connection *c);

#endif
