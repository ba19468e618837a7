/*
 * The one queue of a load: made before, found empty and removed after. And how the generator reads
 * the JSON of answers.
 */
#ifndef POSTHORN_SQS_QUEUE_H
#define POSTHORN_SQS_QUEUE_H

#include "http-client.h"

#define QUEUE_URL_BYTES 256

extern char queueUrl[QUEUE_URL_BYTES];

/* Each asks one request of this client and waits for the answer. */
void queueCreate(struct client *client);
/* Fails when anything is left in it, visible or not. */
void queueCheckEmpty(struct client *client);
void queueDelete(struct client *client);

/* The value of the next "name":"…" at or after *at, which is moved behind it; NULL at the end. */
const char *nextString(const char **at, const char *end, const char *name, size_t *length);

#endif
