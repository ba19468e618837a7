/*
 * SQS load generator: JSON 1.0 over keep-alive connections, one request outstanding on each, in one
 * thread and one epoll set. What is counted is what was done to one message: sent, received or
 * deleted. Each is a request of its own, as most applications have it, unless batches are asked for.
 * Filling and draining use batches of ten and are not counted.
 *
 * Modes. cycle: each connection sends, receives and deletes, over and over, one message at a time or
 * (--batch 10) ten; what it receives is whatever the queue has first. The queue stays short. send: SendMessage for the time given, then everything is received and deleted. receive: the
 * queue is filled, ReceiveMessage of one message is counted. delete: filled and received, DeleteMessage
 * is counted. The counted window ends with the time or with the messages, whichever is first.
 *
 * Every body starts with its number and goes on with a fixed text. The MD5 of every SendMessage
 * answer, the whole body of everything received, that nothing comes twice, and (cycle, send, delete)
 * that all of it came are demanded: a server that fails any of it gets an error, not a rate.
 *
 * On standard output: {"event":"start"} and {"event":"end"} at the edges of the window, so that the
 * caller can read the server's CPU time there, and one line with the result.
 */
#include "http-client.h"
#include "md5.h"
#include "sqs-queue.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10
#define BODY_MAX 4096
#define NUMBER_DIGITS 12
#define MESSAGES_MAX 20000000u

enum mode { MODE_CYCLE, MODE_SEND, MODE_RECEIVE, MODE_DELETE };

struct options {
  const char *host, *port;
  enum mode mode;
  int connections;
  int batch; /* messages per request of a cycle */
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
                                 .connections = 1, .batch = 1, .bodyBytes = 100, .messages = 100000,
                                 .seconds = 5, .warmupSeconds = 1};
static struct client *clients;
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
  int endless = options.mode == MODE_CYCLE || options.mode == MODE_SEND;
  if (!over && (endless || asked < options.messages)) return 1;
  window.endNs = now;
  window.counted = done - window.counted;
  window.cpuEnd = ownCpuSeconds();
  announce("end");
  return 0;
}

static void count(const struct client *client, int messages) {
  done += (uint64_t)messages;
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
  count(client, 1);
}

static void askSendBatch(struct client *client, int count) {
  static char json[REQUEST_BYTES_MAX];
  if (sent + (uint64_t)count > MESSAGES_MAX) fail("more than %u messages", MESSAGES_MAX);
  client->count = count;
  client->first = sent;
  int length = sprintf(json, "{\"QueueUrl\":\"%s\",\"Entries\":[", queueUrl);
  for (int i = 0; i < client->count; i++) {
    length += sprintf(json + length, "%s{\"Id\":\"%d\",\"MessageBody\":\"", i ? "," : "", i);
    bodyOf(sent++, json + length);
    length += (int)options.bodyBytes;
    length += sprintf(json + length, "\"}");
  }
  length += sprintf(json + length, "]}");
  clientRequest(client, "SendMessageBatch", json, (size_t)length);
}

static int askFill(struct client *client) {
  uint64_t left = options.messages - sent;
  if (left == 0) return 0;
  askSendBatch(client, left < BATCH ? (int)left : BATCH);
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
  if (got == 1) count(client, 1);
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

static void askDeleteOf(struct client *client, uint64_t arrival) {
  char json[4096];
  int length = snprintf(json, sizeof json, "{\"QueueUrl\":\"%s\",\"ReceiptHandle\":\"%s\"}", queueUrl,
                        handles[arrival]);
  if ((size_t)length >= sizeof json) fail("a receipt handle is too long");
  clientRequest(client, "DeleteMessage", json, (size_t)length);
}

static int askDelete(struct client *client) {
  if (asked == received) return 0;
  askDeleteOf(client, asked++);
  return 1;
}

static void deletedOne(struct client *client, const struct response *response) {
  (void)response;
  count(client, 1);
}

static void askDeleteBatch(struct client *client) {
  static char json[REQUEST_BYTES_MAX];
  int length = sprintf(json, "{\"QueueUrl\":\"%s\",\"Entries\":[", queueUrl);
  for (int i = 0; i < client->count; i++) {
    char *handle = handles[client->first + (uint64_t)i];
    length += sprintf(json + length, "%s{\"Id\":\"%d\",\"ReceiptHandle\":\"%s\"}", i ? "," : "", i,
                      handle);
  }
  length += sprintf(json + length, "]}");
  clientRequest(client, "DeleteMessageBatch", json, (size_t)length);
}

/* Checks that all of them were deleted. */
static void deletedBatch(const struct client *client, const struct response *response) {
  const char *at = response->body, *end = at + response->bodyBytes;
  size_t length;
  int count = 0;
  while (nextString(&at, end, "Id", &length)) count++;
  if (count != client->count || memmem(response->body, response->bodyBytes, "\"Failed\":[{", 11)) {
    fail("not all were deleted: %.*s", (int)response->bodyBytes, response->body);
  }
}

/* The drain after sending: each client receives ten, then deletes those ten. */
static int askDrain(struct client *client) {
  if (client->count == 0) {
    askReceive(client, BATCH);
    client->count = -1;
    return 1;
  }
  askDeleteBatch(client);
  return 1;
}

static void drained(struct client *client, const struct response *response) {
  if (client->count < 0) {
    client->first = received;
    client->count = take(response);
    return;
  }
  deletedBatch(client, response);
  done += (uint64_t)client->count;
  client->count = 0;
}

static int drainGoesOn(void) { return done < sent; }

/* ---- cycles ---- */

enum step { STEP_SEND, STEP_RECEIVE, STEP_DELETE };

static uint64_t deleted;

static int askCycle(struct client *client) {
  if (client->step == STEP_RECEIVE) {
    askReceive(client, options.batch);
  } else if (client->step == STEP_SEND) {
    if (options.batch == 1) askSend(client);
    else askSendBatch(client, options.batch);
  } else if (options.batch == 1) {
    askDeleteOf(client, client->first);
  } else {
    askDeleteBatch(client);
  }
  return 1;
}

static void cycled(struct client *client, const struct response *response) {
  if (client->step == STEP_RECEIVE) {
    client->first = received;
    client->count = take(response);
    if (client->count > options.batch) fail("more messages than were asked for");
    if (client->count == 0) return; /* not counted, asked again */
    count(client, client->count);
    client->step = STEP_DELETE;
  } else if (client->step == STEP_SEND) {
    if (options.batch == 1) {
      sentOne(client, response);
    } else {
      filled(client, response);
      count(client, client->count);
    }
    client->step = STEP_RECEIVE;
  } else {
    if (options.batch > 1) deletedBatch(client, response);
    count(client, client->count);
    deleted += (uint64_t)client->count;
    client->step = STEP_SEND;
  }
}

/* ---- the modes ---- */

static void fill(void) {
  static const struct phase phase = {askFill, filled, fillGoesOn};
  clientsRun(clients, options.connections, &phase);
}

static void drainAndCheck(void) {
  static const struct phase draining = {askDrain, drained, drainGoesOn};
  clientsRun(clients, options.connections, &draining);
  queueCheckEmpty(clients);
}

static void runCycle(void) {
  static const struct phase cycling = {askCycle, cycled, windowGoesOn};
  windowOpen();
  clientsRun(clients, options.connections, &cycling);
  done = deleted;
  /* Who has received something deletes it first. */
  for (int i = 0; i < options.connections; i++) {
    if (clients[i].step != STEP_DELETE) clients[i].count = 0;
  }
  drainAndCheck();
}

static void runSend(void) {
  static const struct phase sending = {askSend, sentOne, windowGoesOn};
  windowOpen();
  clientsRun(clients, options.connections, &sending);
  done = 0;
  for (int i = 0; i < options.connections; i++) clients[i].count = 0;
  drainAndCheck();
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
  if (done == sent) queueCheckEmpty(clients);
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
  if (strcmp(name, "cycle") == 0) return MODE_CYCLE;
  if (strcmp(name, "send") == 0) return MODE_SEND;
  if (strcmp(name, "receive") == 0) return MODE_RECEIVE;
  if (strcmp(name, "delete") == 0) return MODE_DELETE;
  fail("mode %s is none of cycle, send, receive, delete", name);
}

static void parseOptions(int argc, char **argv) {
  static const struct option known[] = {
    {"host", required_argument, NULL, 'h'},     {"port", required_argument, NULL, 'p'},
    {"mode", required_argument, NULL, 'm'},     {"connections", required_argument, NULL, 'n'},
    {"batch", required_argument, NULL, 'b'},
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
      case 'b': options.batch = (int)parseNumber(optarg, 1, BATCH); break;
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
  queueCreate(clients);
  if (options.mode == MODE_CYCLE) runCycle();
  else if (options.mode == MODE_SEND) runSend();
  else if (options.mode == MODE_RECEIVE) runReceive();
  else runDelete();
  queueDelete(clients);
  report();
  return 0;
}
