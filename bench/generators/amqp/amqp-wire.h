/*
 * The AMQP 0-9-1 bytes the load generator needs: a growable output buffer with big-endian writers,
 * and the blocking calls used before the load starts (handshake, declare, consume). The load itself
 * never uses the blocking calls.
 *
 * Frame: type u8, channel u16, size u32, payload, 0xCE. Everything here uses channel 1 (0 for the
 * connection itself).
 */
#ifndef POSTHORN_AMQP_WIRE_H
#define POSTHORN_AMQP_WIRE_H

#include "../common/load.h"

#include <string.h>

#define FRAME_METHOD 1
#define FRAME_HEADER 2
#define FRAME_BODY 3
#define FRAME_HEARTBEAT 8
#define FRAME_END 0xCE
#define FRAME_OVERHEAD 8

#define METHOD(classId, methodId) (((uint32_t)(classId) << 16) | (uint32_t)(methodId))
#define CONNECTION_START METHOD(10, 10)
#define CONNECTION_START_OK METHOD(10, 11)
#define CONNECTION_TUNE METHOD(10, 30)
#define CONNECTION_TUNE_OK METHOD(10, 31)
#define CONNECTION_OPEN METHOD(10, 40)
#define CONNECTION_OPEN_OK METHOD(10, 41)
#define CONNECTION_CLOSE METHOD(10, 50)
#define CONNECTION_CLOSE_OK METHOD(10, 51)
#define CHANNEL_OPEN METHOD(20, 10)
#define CHANNEL_OPEN_OK METHOD(20, 11)
#define CHANNEL_CLOSE METHOD(20, 40)
#define QUEUE_DECLARE METHOD(50, 10)
#define QUEUE_DECLARE_OK METHOD(50, 11)
#define QUEUE_DELETE METHOD(50, 40)
#define QUEUE_DELETE_OK METHOD(50, 41)
#define BASIC_QOS METHOD(60, 10)
#define BASIC_QOS_OK METHOD(60, 11)
#define BASIC_CONSUME METHOD(60, 20)
#define BASIC_CONSUME_OK METHOD(60, 21)
#define BASIC_CANCEL METHOD(60, 30)
#define BASIC_PUBLISH METHOD(60, 40)
#define BASIC_RETURN METHOD(60, 50)
#define BASIC_DELIVER METHOD(60, 60)
#define BASIC_ACK METHOD(60, 80)
#define BASIC_NACK METHOD(60, 120)
#define CONFIRM_SELECT METHOD(85, 10)
#define CONFIRM_SELECT_OK METHOD(85, 11)

static inline uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline uint32_t get32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return __builtin_bswap32(v);
}

static inline uint64_t get64(const uint8_t *p) {
  uint64_t v;
  memcpy(&v, p, 8);
  return __builtin_bswap64(v);
}

static inline void set32(uint8_t *p, uint32_t v) {
  v = __builtin_bswap32(v);
  memcpy(p, &v, 4);
}

static inline void set64(uint8_t *p, uint64_t v) {
  v = __builtin_bswap64(v);
  memcpy(p, &v, 8);
}

struct bytes {
  uint8_t *data;
  size_t used;
  size_t size;
};

/* Makes room for `extra` more bytes; exits when memory is out. */
void bytesReserve(struct bytes *b, size_t extra);
void put8(struct bytes *b, uint8_t v);
void put16(struct bytes *b, uint16_t v);
void put32(struct bytes *b, uint32_t v);
void put64(struct bytes *b, uint64_t v);
void putRaw(struct bytes *b, const void *data, size_t length);
void putShort(struct bytes *b, const char *text);

/* Starts a frame and returns where it begins; frameEnd() fills in its size. */
size_t frameBegin(struct bytes *b, uint8_t type, uint16_t channel);
size_t methodBegin(struct bytes *b, uint16_t channel, uint32_t method);
void frameEnd(struct bytes *b, size_t start);

struct frame {
  uint8_t type;
  const uint8_t *payload;
  uint32_t length;
};

/* Takes the next complete frame out of the input buffer; 0 when it holds none. The payload points
   into that buffer and is good until the next read. Exits on a frame without its end byte. */
static inline int nextFrame(struct connection *c, struct frame *out) {
  size_t have = c->inEnd - c->inStart;
  if (have < FRAME_OVERHEAD) return 0;
  const uint8_t *p = c->in + c->inStart;
  uint32_t length = get32(p + 3);
  if (have < (size_t)length + FRAME_OVERHEAD) {
    if ((size_t)length + FRAME_OVERHEAD > c->inSize) fail("frame of %u bytes is too large", length);
    return 0;
  }
  if (p[7 + length] != FRAME_END) fail("frame without its end byte");
  out->type = p[0];
  out->payload = p + 7;
  out->length = length;
  c->inStart += (size_t)length + FRAME_OVERHEAD;
  return 1;
}

/* Blocking: TCP connect, AMQP handshake as guest on vhost /, channel 1 open. */
void amqpOpen(struct connection *c, const char *host, const char *port);
/* Returns the number of messages ready in the queue. */
uint32_t amqpDeclareQueue(struct connection *c, const char *queue, int passive, int durable,
                          const char *type);
void amqpDeleteQueue(struct connection *c, const char *queue);
void amqpConfirmSelect(struct connection *c);
void amqpConsume(struct connection *c, const char *queue, uint16_t prefetch, int autoAck);
void amqpClose(struct connection *c);

/* Exits with the server's own text if the frame closes the connection or the channel. */
void failOnClose(uint32_t method, const uint8_t *payload);

#endif
