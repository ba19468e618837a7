/*
 * HTTP/1.1 over keep-alive connections, one request outstanding on each, as far as the SQS load needs
 * it: requests are written whole, responses need a Content-Length.
 */
#ifndef POSTHORN_HTTP_CLIENT_H
#define POSTHORN_HTTP_CLIENT_H

#include "../common/load.h"

#define REQUEST_BYTES_MAX (64 * 1024)

struct client {
  struct connection connection;
  uint8_t *request;
  size_t requestFrom, requestBytes;
  int busy, wantsOut;
  uint64_t askedNs;
  uint64_t first; /* the caller's: which messages the request is about */
  int count;
  int step; /* the caller's: where in its cycle it is */
};

struct response {
  int status;
  const char *body; /* into the input buffer: good until the next read */
  size_t bodyBytes;
};

/* What a phase of the load does: asked of every idle client, told every answer. */
struct phase {
  /* Writes the client's next request (requestBytes); 0 when there is nothing to ask now. */
  int (*ask)(struct client *client);
  void (*answered)(struct client *client, const struct response *response);
  /* At every turn; 0 ends the phase when all answers are there. */
  int (*goesOn)(void);
};

void clientsOpen(struct client *clients, int count, const char *host, const char *port);
void clientsRun(struct client *clients, int count, const struct phase *phase);
/* Writes one request: the operation's name, and a JSON body of `bodyBytes` at `body`. */
void clientRequest(struct client *client, const char *operation, const char *body,
                   size_t bodyBytes);

#endif
