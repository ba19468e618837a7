/* See http-client.h. */
#include "http-client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

#define INPUT_BYTES (256 * 1024)
#define CLIENTS_MAX 1024
#define STALL_NS 30000000000ull

static int epoll = -1;
static char host[80];

void clientsOpen(struct client *clients, int count, const char *name, const char *port) {
  if (count > CLIENTS_MAX) fail("more than %d connections", CLIENTS_MAX);
  snprintf(host, sizeof host, "%s:%s", name, port);
  epoll = epoll_create1(0);
  if (epoll < 0) fail("epoll_create1: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    struct client *client = &clients[i];
    dial(&client->connection, name, port, INPUT_BYTES);
    setBlocking(client->connection.fd, 0);
    client->request = allocate(1, REQUEST_BYTES_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, client->connection.fd, &event) < 0) {
      fail("epoll: %s", strerror(errno));
    }
  }
}

/* The headers that SDKs send, with a signature that nobody checks on loopback without users. */
void clientRequest(struct client *client, const char *operation, const char *body,
                   size_t bodyBytes) {
  int length = snprintf(
    (char *)client->request, REQUEST_BYTES_MAX,
    "POST / HTTP/1.1\r\nHost: %s\r\nX-Amz-Target: AmazonSQS.%s\r\n"
    "Content-Type: application/x-amz-json-1.0\r\nUser-Agent: sqs-load/1.0\r\n"
    "X-Amz-Date: 20260101T000000Z\r\nAuthorization: AWS4-HMAC-SHA256 "
    "Credential=test/20260101/us-east-1/sqs/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
    "Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\r\n"
    "Content-Length: %zu\r\n\r\n",
    host, operation, bodyBytes);
  if ((size_t)length + bodyBytes > REQUEST_BYTES_MAX) fail("a request is too large");
  memcpy(client->request + length, body, bodyBytes);
  client->requestBytes = (size_t)length + bodyBytes;
}

static void sendRequest(struct client *client) {
  struct connection *c = &client->connection;
  int blocked = sendSome(c, client->request, &client->requestFrom, client->requestBytes);
  if (blocked == client->wantsOut) return;
  client->wantsOut = blocked;
  struct epoll_event event = {.events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = client};
  if (epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) < 0) fail("epoll: %s", strerror(errno));
}

/* The value of Content-Length in the head, which ends with an empty line. */
static size_t contentLength(const char *head, size_t headBytes) {
  static const char name[] = "\r\ncontent-length:";
  for (const char *at = head, *end = head + headBytes; at + sizeof name < end; at++) {
    at = memchr(at, '\r', (size_t)(end - at));
    if (!at) break;
    if (strncasecmp(at, name, sizeof name - 1) == 0) {
      return (size_t)strtoull(at + sizeof name - 1, NULL, 10);
    }
  }
  fail("a response without Content-Length: %.*s", (int)headBytes, head);
}

/* Takes a complete response out of the input buffer; 0 when there is none. */
static int nextResponse(struct client *client, struct response *out) {
  struct connection *c = &client->connection;
  const char *head = (const char *)c->in + c->inStart;
  size_t have = c->inEnd - c->inStart;
  const char *headEnd = have < 16 ? NULL : memmem(head, have, "\r\n\r\n", 4);
  if (!headEnd) return 0;
  size_t headBytes = (size_t)(headEnd - head) + 4;
  size_t bodyBytes = contentLength(head, headBytes);
  if (have < headBytes + bodyBytes) return 0;
  if (memcmp(head, "HTTP/1.1 ", 9) != 0) fail("no HTTP/1.1: %.*s", (int)headBytes, head);
  out->status = atoi(head + 9);
  out->body = head + headBytes;
  out->bodyBytes = bodyBytes;
  c->inStart += headBytes + bodyBytes;
  return 1;
}

static int askNext(struct client *client, const struct phase *phase) {
  if (client->busy || !phase->ask(client)) return 0;
  client->busy = 1;
  client->requestFrom = 0;
  client->askedNs = nowNs();
  sendRequest(client);
  return 1;
}

static void serve(struct client *client, uint32_t events, const struct phase *phase) {
  struct response response;
  if (events & EPOLLOUT) sendRequest(client);
  if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || receiveSome(&client->connection) < 0) return;
  if (!nextResponse(client, &response)) return;
  if (!client->busy) fail("a response that nobody asked for");
  if (response.status != 200) {
    fail("%d %.*s", response.status, (int)response.bodyBytes, response.body);
  }
  client->busy = 0;
  phase->answered(client, &response);
}

void clientsRun(struct client *clients, int count, const struct phase *phase) {
  struct epoll_event events[CLIENTS_MAX];
  uint64_t progressNs = nowNs();
  for (;;) {
    int goesOn = phase->goesOn();
    int busy = 0;
    for (int i = 0; i < count; i++) {
      if (goesOn) askNext(&clients[i], phase);
      busy += clients[i].busy;
    }
    if (busy == 0) return;
    int ready = epoll_wait(epoll, events, CLIENTS_MAX, 20);
    if (ready < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) serve(events[i].data.ptr, events[i].events, phase);
    if (ready > 0) progressNs = nowNs();
    else if (nowNs() - progressNs > STALL_NS) fail("no answer for 30 s");
  }
}
