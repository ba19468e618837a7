/* Byte writers and the blocking AMQP calls of the load generator: see amqp-wire.h. */
#include "amqp-wire.h"

#include <stdlib.h>

#define INPUT_BYTES (512 * 1024)
#define FRAME_BYTES_WANTED 131072u

void bytesReserve(struct bytes *b, size_t extra) {
  if (b->used + extra <= b->size) return;
  size_t size = b->size ? b->size : 256;
  while (size < b->used + extra) size *= 2;
  b->data = realloc(b->data, size);
  if (!b->data) fail("out of memory");
  b->size = size;
}

void put8(struct bytes *b, uint8_t v) {
  bytesReserve(b, 1);
  b->data[b->used++] = v;
}

void put16(struct bytes *b, uint16_t v) {
  put8(b, (uint8_t)(v >> 8));
  put8(b, (uint8_t)v);
}

void put32(struct bytes *b, uint32_t v) {
  bytesReserve(b, 4);
  set32(b->data + b->used, v);
  b->used += 4;
}

void put64(struct bytes *b, uint64_t v) {
  bytesReserve(b, 8);
  set64(b->data + b->used, v);
  b->used += 8;
}

void putRaw(struct bytes *b, const void *data, size_t length) {
  bytesReserve(b, length);
  memcpy(b->data + b->used, data, length);
  b->used += length;
}

void putShort(struct bytes *b, const char *text) {
  size_t length = strlen(text);
  if (length > 255) fail("name is longer than 255 bytes");
  put8(b, (uint8_t)length);
  putRaw(b, text, length);
}

static void putLong(struct bytes *b, const void *data, size_t length) {
  put32(b, (uint32_t)length);
  putRaw(b, data, length);
}

size_t frameBegin(struct bytes *b, uint8_t type, uint16_t channel) {
  size_t start = b->used;
  put8(b, type);
  put16(b, channel);
  put32(b, 0);
  return start;
}

size_t methodBegin(struct bytes *b, uint16_t channel, uint32_t method) {
  size_t start = frameBegin(b, FRAME_METHOD, channel);
  put32(b, method);
  return start;
}

void frameEnd(struct bytes *b, size_t start) {
  set32(b->data + start + 3, (uint32_t)(b->used - start - 7));
  put8(b, FRAME_END);
}

static void sendBytes(struct connection *c, struct bytes *b) {
  sendAll(c, b->data, b->used);
  b->used = 0;
}

static void printText(const char *what, const uint8_t *p) {
  fail("%s: %u %.*s", what, get16(p), p[2], (const char *)p + 3);
}

void failOnClose(uint32_t method, const uint8_t *payload) {
  if (method == CONNECTION_CLOSE) printText("connection closed", payload + 4);
  if (method == CHANNEL_CLOSE) printText("channel closed", payload + 4);
  if (method == BASIC_RETURN) printText("message returned", payload + 4);
  if (method == BASIC_CANCEL) fail("the server cancelled the consumer");
  if (method == BASIC_NACK) fail("the server refused a published message (basic.nack)");
}

/* Waits for one method, and fails on any other: nothing else may arrive in these phases. */
static void await(struct connection *c, uint32_t wanted, struct frame *out) {
  for (;;) {
    while (!nextFrame(c, out)) receiveSome(c);
    if (out->type == FRAME_HEARTBEAT) continue;
    if (out->type != FRAME_METHOD) fail("unexpected frame type %u", out->type);
    uint32_t method = get32(out->payload);
    failOnClose(method, out->payload);
    if (method == wanted) return;
    fail("expected method %u.%u, got %u.%u", wanted >> 16, wanted & 0xffff, method >> 16,
         method & 0xffff);
  }
}

void amqpOpen(struct connection *c, const char *host, const char *port) {
  struct bytes b = {0};
  struct frame f;
  dial(c, host, port, INPUT_BYTES);

  putRaw(&b, "AMQP\0\0\x09\x01", 8);
  sendBytes(c, &b);
  await(c, CONNECTION_START, &f);

  size_t start = methodBegin(&b, 0, CONNECTION_START_OK);
  put32(&b, 0);
  putShort(&b, "PLAIN");
  putLong(&b, "\0guest\0guest", 12);
  putShort(&b, "en_US");
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, CONNECTION_TUNE, &f);

  uint16_t channelMax = get16(f.payload + 4);
  uint32_t frameMax = get32(f.payload + 6);
  if (frameMax == 0 || frameMax > FRAME_BYTES_WANTED) frameMax = FRAME_BYTES_WANTED;
  start = methodBegin(&b, 0, CONNECTION_TUNE_OK);
  put16(&b, channelMax);
  put32(&b, frameMax);
  put16(&b, 0);
  frameEnd(&b, start);
  start = methodBegin(&b, 0, CONNECTION_OPEN);
  putShort(&b, "/");
  putShort(&b, "");
  put8(&b, 0);
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, CONNECTION_OPEN_OK, &f);

  start = methodBegin(&b, 1, CHANNEL_OPEN);
  putShort(&b, "");
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, CHANNEL_OPEN_OK, &f);
  free(b.data);
}

uint32_t amqpDeclareQueue(struct connection *c, const char *queue, int passive, int durable,
                          const char *type) {
  struct bytes b = {0};
  struct frame f;
  size_t start = methodBegin(&b, 1, QUEUE_DECLARE);
  put16(&b, 0);
  putShort(&b, queue);
  put8(&b, (uint8_t)((passive ? 1 : 0) | (durable ? 2 : 0)));
  size_t table = b.used;
  put32(&b, 0);
  if (type && !passive) {
    putShort(&b, "x-queue-type");
    put8(&b, 'S');
    putLong(&b, type, strlen(type));
    set32(b.data + table, (uint32_t)(b.used - table - 4));
  }
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, QUEUE_DECLARE_OK, &f);
  free(b.data);
  return get32(f.payload + 5 + f.payload[4]);
}

void amqpDeleteQueue(struct connection *c, const char *queue) {
  struct bytes b = {0};
  struct frame f;
  size_t start = methodBegin(&b, 1, QUEUE_DELETE);
  put16(&b, 0);
  putShort(&b, queue);
  put8(&b, 0);
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, QUEUE_DELETE_OK, &f);
  free(b.data);
}

void amqpConfirmSelect(struct connection *c) {
  struct bytes b = {0};
  struct frame f;
  size_t start = methodBegin(&b, 1, CONFIRM_SELECT);
  put8(&b, 0);
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, CONFIRM_SELECT_OK, &f);
  free(b.data);
}

void amqpConsume(struct connection *c, const char *queue, uint16_t prefetch, int autoAck) {
  struct bytes b = {0};
  struct frame f;
  if (prefetch > 0) {
    size_t qos = methodBegin(&b, 1, BASIC_QOS);
    put32(&b, 0);
    put16(&b, prefetch);
    put8(&b, 0);
    frameEnd(&b, qos);
    sendBytes(c, &b);
    await(c, BASIC_QOS_OK, &f);
  }
  size_t start = methodBegin(&b, 1, BASIC_CONSUME);
  put16(&b, 0);
  putShort(&b, queue);
  putShort(&b, "load");
  put8(&b, autoAck ? 2 : 0);
  put32(&b, 0);
  frameEnd(&b, start);
  sendBytes(c, &b);
  await(c, BASIC_CONSUME_OK, &f);
  free(b.data);
}

void amqpClose(struct connection *c) {
  struct bytes b = {0};
  size_t start = methodBegin(&b, 0, CONNECTION_CLOSE);
  put16(&b, 200);
  putShort(&b, "done");
  put32(&b, 0);
  frameEnd(&b, start);
  sendBytes(c, &b);
  struct frame f;
  await(c, CONNECTION_CLOSE_OK, &f);
  hangUp(c);
  free(b.data);
}
