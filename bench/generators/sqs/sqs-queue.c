/* See sqs-queue.h. */
#include "sqs-queue.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

char queueUrl[QUEUE_URL_BYTES];

const char *nextString(const char **at, const char *end, const char *name, size_t *length) {
  char key[64];
  int keyBytes = snprintf(key, sizeof key, "\"%s\":\"", name);
  const char *found = memmem(*at, (size_t)(end - *at), key, (size_t)keyBytes);
  if (!found) return NULL;
  const char *from = found + keyBytes;
  const char *to = memchr(from, '"', (size_t)(end - from));
  if (!to) fail("an unfinished answer");
  if (memchr(from, '\\', (size_t)(to - from))) fail("an escape in %s", name);
  *length = (size_t)(to - from);
  *at = to + 1;
  return from;
}

static char answer[4096];
static char onceOperation[40], onceJson[512];
static int asked;

static int askOnce(struct client *client) {
  if (asked) return 0;
  asked = 1;
  clientRequest(client, onceOperation, onceJson, strlen(onceJson));
  return 1;
}

static void answeredOnce(struct client *client, const struct response *response) {
  (void)client;
  snprintf(answer, sizeof answer, "%.*s", (int)response->bodyBytes, response->body);
}

static int onceGoesOn(void) { return !asked; }

static void once(struct client *client, const char *operation) {
  static const struct phase phase = {askOnce, answeredOnce, onceGoesOn};
  snprintf(onceOperation, sizeof onceOperation, "%s", operation);
  asked = 0;
  clientsRun(client, 1, &phase);
}

void queueCreate(struct client *client) {
  const char *at = answer;
  size_t length;
  snprintf(onceJson, sizeof onceJson,
           "{\"QueueName\":\"load-%d-%llu\",\"Attributes\":{\"VisibilityTimeout\":\"3600\"}}",
           (int)getpid(), (unsigned long long)(nowNs() % 1000000007ull));
  once(client, "CreateQueue");
  const char *url = nextString(&at, answer + strlen(answer), "QueueUrl", &length);
  if (!url || length >= sizeof queueUrl) fail("no queue: %s", answer);
  memcpy(queueUrl, url, length);
}

void queueCheckEmpty(struct client *client) {
  snprintf(onceJson, sizeof onceJson,
           "{\"QueueUrl\":\"%s\",\"AttributeNames\":[\"ApproximateNumberOfMessages\","
           "\"ApproximateNumberOfMessagesNotVisible\"]}", queueUrl);
  once(client, "GetQueueAttributes");
  const char *names[] = {"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"};
  for (int i = 0; i < 2; i++) {
    const char *at = answer;
    size_t length;
    const char *value = nextString(&at, answer + strlen(answer), names[i], &length);
    if (!value || length != 1 || *value != '0') fail("messages are left: %s", answer);
  }
}

void queueDelete(struct client *client) {
  snprintf(onceJson, sizeof onceJson, "{\"QueueUrl\":\"%s\"}", queueUrl);
  once(client, "DeleteQueue");
}
