/*
 * SQS load generator: JSON 1.0 over keep-alive connections, one request outstanding on each, in one
 * thread and one epoll set. What is counted is one operation on one message per request, as
 * applications call it; filling and draining use batches of ten and are not counted.
 *
 * Modes. send: SendMessage for the time given, then everything is received and deleted. receive: the
 * queue is filled, ReceiveMessage of one message is counted. delete: filled and received, DeleteMessage
 * is counted. The counted window ends with the time or with the messages, whichever is first.
 *
 * Every body starts with its number and goes on with a fixed text. The MD5 of every SendMessage
 * answer, the whole body of everything received, that nothing comes twice, and (send, delete) that
 * all of it came are demanded: a server that fails any of it gets an error, not a rate.
 *
 * On standard output: {"event":"start"} and {"event":"end"} at the edges of the window, so that the
 * caller can read the server's CPU time there, and one line with the result.
 */
#include "http-client.h"
#include "md5.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 10
#define BODY_MAX 4096
#define NUMBER_DIGITS 12
#define MESSAGES_MAX 20000000u

enum mode { MODE_SEND, MODE_RECEIVE, MODE_DELETE };

struct options {
  const char *host, *port;
  enum mode mode;
  int connections;
  uint32_t bodyBytes;
  uint64_t messages; /* how many the queue is filled with */
  double seconds, warmupSeconds;
};

/* Warm-up, then the counted window. */
struct window {
  uint64_t startNs, endNs, phaseNs, counted;
  double cpuStart, cpuEnd;
};

static struct options options = {.host = "127.0.0.1", .port = "9324", .mode = MODE_SEND,
                                 .connections = 1, .bodyBytes = 100, .messages = 100000,
                                 .seconds = 5, .warmupSeconds = 1};
static struct client *clients;
static char queueUrl[256];
static char text[BODY_MAX + 1]; /* the body without its number */
static struct window window;
static struct histogram latency;
static uint64_t asked, done; /* of the phase under way */
static uint64_t sent, received;
static uint8_t *seen;  /* by number: 1 when received */
static char **handles; /* by order of arrival */

static void bodyOf(uint64_t number, char *out) {
  memcpy(out, text, options.bodyBytes);
  for (int i = NUMBER_DIGITS - 1; i >= 0; i--, number /= 10) out[i] = (char)('0' + number % 10);
}

/* The value of the next "name":"…" at or after *at, which is moved behind it; NULL at the end. */
static const char *nextString(const char **at, const char *end, const char *name, size_t *length) {
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

/* ---- the counted window ---- */

static void windowOpen(void) {
  window = (struct window){.phaseNs = nowNs()};
  asked = done = 0;
}

/* Starts and ends the window when it is time; 0 when it is over. */
static int windowGoesOn(void) {
  uint64_t now = nowNs();
  if (window.startNs == 0) {
    if (now - window.phaseNs < (uint64_t)(options.warmupSeconds * 1e9)) return 1;
    memset(&latency, 0, sizeof latency);
    announce("start");
    window.cpuStart = ownCpuSeconds();
    window.counted = done;
    window.startNs = nowNs();
    return 1;
  }
  if (window.endNs != 0) return 0;
  int over = now - window.startNs >= (uint64_t)(options.seconds * 1e9);
  if (!over && (options.mode == MODE_SEND || asked < options.messages)) return 1;
  window.endNs = now;
  window.counted = done - window.counted;
  window.cpuEnd = ownCpuSeconds();
  announce("end");
  return 0;
}

static void count(const struct client *client) {
  done++;
  histogramAdd(&latency, nowNs() - client->askedNs);
}

/* ---- sending ---- */

static int askSend(struct client *client) {
  char json[BODY_MAX + 512];
  if (sent == MESSAGES_MAX) fail("more than %u messages", MESSAGES_MAX);
  int length = sprintf(json, "{\"QueueUrl\":\"%s\",\"MessageBody\":\"", queueUrl);
  bodyOf(sent, json + length);
  length += (int)options.bodyBytes;
  length += sprintf(json + length, "\"}");
  client->first = sent++;
  asked++;
  clientRequest(client, "SendMessage", json, (size_t)length);
  return 1;
}

static void sentOne(struct client *client, const struct response *response) {
  char body[BODY_MAX], expected[33];
  const char *at = response->body;
  size_t length;
  const char *md5 = nextString(&at, at + response->bodyBytes, "MD5OfMessageBody", &length);
  bodyOf(client->first, body);
  md5Hex(body, options.bodyBytes, expected);
  if (!md5 || length != 32 || memcmp(md5, expected, 32) != 0) fail("another MD5 than the body's");
  count(client);
}

static int askFill(struct client *client) {
  static char json[REQUEST_BYTES_MAX];
  uint64_t left = options.messages - sent;
  if (left == 0) return 0;
  client->count = left < BATCH ? (int)left : BATCH;
  int length = sprintf(json, "{\"QueueUrl\":\"%s\",\"Entries\":[", queueUrl);
  for (int i = 0; i < client->count; i++) {
    length += sprintf(json + length, "%s{\"Id\":\"%d\",\"MessageBody\":\"", i ? "," : "", i);
    bodyOf(sent++, json + length);
    length += (int)options.bodyBytes;
    length += sprintf(json + length, "\"}");
  }
  length += sprintf(json + length, "]}");
  clientRequest(client, "SendMessageBatch", json, (size_t)length);
  return 1;
}

static void filled(struct client *client, const struct response *response) {
  const char *at = response->body, *end = at + response->bodyBytes;
  size_t length;
  int count = 0;
  while (nextString(&at, end, "MessageId", &length)) count++;
  if (count != client->count) fail("%d of %d entries were sent", count, client->count);
}

static int fillGoesOn(void) { return sent < options.messages; }

/* ---- receiving and deleting ---- */

static void askReceive(struct client *client, int max) {
  char json[400];
  int length = snprintf(json, sizeof json, "{\"QueueUrl\":\"%s\",\"MaxNumberOfMessages\":%d}",
                        queueUrl, max);
  clientRequest(client, "ReceiveMessage", json, (size_t)length);
}

/* Checks and remembers what came; returns how many. */
static int take(const struct response *response) {
  const char *bodyAt = response->body, *handleAt = bodyAt, *end = bodyAt + response->bodyBytes;
  char expected[BODY_MAX];
  const char *body;
  size_t length;
  int count = 0;
  while ((body = nextString(&bodyAt, end, "Body", &length))) {
    uint64_t number = strtoull(body, NULL, 10);
    if (length != options.bodyBytes || number >= sent) fail("a body nobody sent");
    bodyOf(number, expected);
    if (memcmp(body, expected, length) != 0) fail("message %llu was changed", (unsigned long long)number);
    if (seen[number]) fail("message %llu came twice", (unsigned long long)number);
    seen[number] = 1;
    const char *handle = nextString(&handleAt, end, "ReceiptHandle", &length);
    if (!handle) fail("a message without a receipt handle");
    handles[received++] = strndup(handle, length);
    count++;
  }
  return count;
}

static int askReceiveOne(struct client *client) {
  if (asked == options.messages) return 0;
  asked++;
  askReceive(client, 1);
  return 1;
}

static void receivedOne(struct client *client, const struct response *response) {
  int got = take(response);
  if (got > 1) fail("%d messages where one was asked for", got);
  if (got == 1) count(client);
  else asked--; /* some servers answer empty now and then: not counted, asked again */
}

static int askReceiveBatch(struct client *client) {
  askReceive(client, BATCH);
  return 1;
}

static void receivedBatch(struct client *client, const struct response *response) {
  (void)client;
  take(response);
}

static int receiveAllGoesOn(void) { return received < sent; }

static int askDelete(struct client *client) {
  char json[4096];
  if (asked == received) return 0;
  int length = snprintf(json, sizeof json, "{\"QueueUrl\":\"%s\",\"ReceiptHandle\":\"%s\"}", queueUrl,
                        handles[asked++]);
  if ((size_t)length >= sizeof json) fail("a receipt handle is too long");
  clientRequest(client, "DeleteMessage", json, (size_t)length);
  return 1;
}

static void deletedOne(struct client *client, const struct response *response) {
  (void)response;
  count(client);
}

/* The drain after sending: each client receives ten, then deletes those ten. */
static int askDrain(struct client *client) {
  static char json[REQUEST_BYTES_MAX];
  if (client->count == 0) {
    askReceive(client, BATCH);
    client->count = -1;
    return 1;
  }
  int length = sprintf(json, "{\"QueueUrl\":\"%s\",\"Entries\":[", queueUrl);
  for (int i = 0; i < client->count; i++) {
    char *handle = handles[client->first + (uint64_t)i];
    length += sprintf(json + length, "%s{\"Id\":\"%d\",\"ReceiptHandle\":\"%s\"}", i ? "," : "", i,
                      handle);
  }
  length += sprintf(json + length, "]}");
  clientRequest(client, "DeleteMessageBatch", json, (size_t)length);
  return 1;
}

static void drained(struct client *client, const struct response *response) {
  if (client->count < 0) {
    client->first = received;
    client->count = take(response);
    return;
  }
  const char *at = response->body, *end = at + response->bodyBytes;
  size_t length;
  int count = 0;
  while (nextString(&at, end, "Id", &length)) count++;
  if (count != client->count || memmem(response->body, response->bodyBytes, "\"Failed\":[{", 11)) {
    fail("not all were deleted: %.*s", (int)response->bodyBytes, response->body);
  }
  done += (uint64_t)count;
  client->count = 0;
}

static int drainGoesOn(void) { return done < sent; }

/* ---- the queue ---- */

static char answer[4096];
static char onceOperation[40], onceJson[512];

static int askOnce(struct client *client) {
  if (asked > 0) return 0;
  asked = 1;
  clientRequest(client, onceOperation, onceJson, strlen(onceJson));
  return 1;
}

static void answeredOnce(struct client *client, const struct response *response) {
  (void)client;
  snprintf(answer, sizeof answer, "%.*s", (int)response->bodyBytes, response->body);
}

static int onceGoesOn(void) { return asked == 0; }

static void once(const char *operation) {
  static const struct phase phase = {askOnce, answeredOnce, onceGoesOn};
  snprintf(onceOperation, sizeof onceOperation, "%s", operation);
  asked = 0;
  clientsRun(clients, 1, &phase);
}

static void createQueue(void) {
  const char *at = answer;
  size_t length;
  snprintf(onceJson, sizeof onceJson,
           "{\"QueueName\":\"load-%d-%llu\",\"Attributes\":{\"VisibilityTimeout\":\"3600\"}}",
           (int)getpid(), (unsigned long long)(nowNs() % 1000000007ull));
  once("CreateQueue");
  const char *url = nextString(&at, answer + strlen(answer), "QueueUrl", &length);
  if (!url || length >= sizeof queueUrl) fail("no queue: %s", answer);
  memcpy(queueUrl, url, length);
}

static void checkEmpty(void) {
  snprintf(onceJson, sizeof onceJson,
           "{\"QueueUrl\":\"%s\",\"AttributeNames\":[\"ApproximateNumberOfMessages\","
           "\"ApproximateNumberOfMessagesNotVisible\"]}", queueUrl);
  once("GetQueueAttributes");
  const char *names[] = {"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"};
  for (int i = 0; i < 2; i++) {
    const char *at = answer;
    size_t length;
    const char *value = nextString(&at, answer + strlen(answer), names[i], &length);
    if (!value || length != 1 || *value != '0') fail("messages are left: %s", answer);
  }
}

static void deleteQueue(void) {
  snprintf(onceJson, sizeof onceJson, "{\"QueueUrl\":\"%s\"}", queueUrl);
  once("DeleteQueue");
}

/* ---- the modes ---- */

static void fill(void) {
  static const struct phase phase = {askFill, filled, fillGoesOn};
  clientsRun(clients, options.connections, &phase);
}

static void runSend(void) {
  static const struct phase sending = {askSend, sentOne, windowGoesOn};
  static const struct phase draining = {askDrain, drained, drainGoesOn};
  windowOpen();
  clientsRun(clients, options.connections, &sending);
  done = 0;
  for (int i = 0; i < options.connections; i++) clients[i].count = 0;
  clientsRun(clients, options.connections, &draining);
  checkEmpty();
}

static void runReceive(void) {
  static const struct phase phase = {askReceiveOne, receivedOne, windowGoesOn};
  fill();
  windowOpen();
  clientsRun(clients, options.connections, &phase);
}

static void runDelete(void) {
  static const struct phase receiving = {askReceiveBatch, receivedBatch, receiveAllGoesOn};
  static const struct phase deleting = {askDelete, deletedOne, windowGoesOn};
  fill();
  clientsRun(clients, options.connections, &receiving);
  windowOpen();
  clientsRun(clients, options.connections, &deleting);
  if (done == sent) checkEmpty();
}

static void report(void) {
  double seconds = (double)(window.endNs - window.startNs) / 1e9;
  if (window.endNs == 0) fail("the messages were used up before the warm-up was over");
  printf("{\"event\":\"result\",\"seconds\":%.6f,\"counted\":%llu,\"sent\":%llu,\"received\":%llu,"
         "\"generatorCpuSeconds\":%.3f",
         seconds, (unsigned long long)window.counted, (unsigned long long)sent,
         (unsigned long long)received, window.cpuEnd - window.cpuStart);
  reportLatency("operationUs", &latency);
  puts("}");
}

static enum mode modeOf(const char *name) {
  if (strcmp(name, "send") == 0) return MODE_SEND;
  if (strcmp(name, "receive") == 0) return MODE_RECEIVE;
  if (strcmp(name, "delete") == 0) return MODE_DELETE;
  fail("mode %s is none of send, receive, delete", name);
}

static void parseOptions(int argc, char **argv) {
  static const struct option known[] = {
    {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
    {"mode", required_argument, NULL, 'm'},     {"connections", required_argument, NULL, 'n'},
    {"size", required_argument, NULL, 's'},     {"messages", required_argument, NULL, 'c'},
    {"seconds", required_argument, NULL, 'T'},  {"warmup", required_argument, NULL, 'W'},
    {NULL, 0, NULL, 0},
  };
  int letter;
  while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
    switch (letter) {
      case 'h': options.host = optarg; break;
      case 'p': options.port = optarg; break;
      case 'm': options.mode = modeOf(optarg); break;
      case 'n': options.connections = (int)parseNumber(optarg, 1, 1000); break;
      case 's': options.bodyBytes = (uint32_t)parseNumber(optarg, NUMBER_DIGITS, BODY_MAX); break;
      case 'c': options.messages = parseNumber(optarg, 1, MESSAGES_MAX); break;
      case 'T': options.seconds = parseSeconds(optarg); break;
      case 'W': options.warmupSeconds = parseSeconds(optarg); break;
      default: fail("unknown option");
    }
  }
  if (optind < argc) fail("unexpected argument %s", argv[optind]);
}

int main(int argc, char **argv) {
  parseOptions(argc, argv);
  for (uint32_t i = 0; i < options.bodyBytes; i++) text[i] = (char)('a' + i * 31 % 26);
  clients = allocate((size_t)options.connections, sizeof *clients);
  seen = allocate(MESSAGES_MAX, 1);
  handles = allocate(MESSAGES_MAX, sizeof *handles);
  clientsOpen(clients, options.connections, options.host, options.port);
  createQueue();
  if (options.mode == MODE_SEND) runSend();
  else if (options.mode == MODE_RECEIVE) runReceive();
  else runDelete();
  deleteQueue();
  report();
  return 0;
}
