/* See md5.h. */
#include "md5.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t constants[64];
static const uint8_t shifts[4][4] = {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static void prepare(void) {
  for (int i = 0; i < 64; i++) constants[i] = (uint32_t)(fabs(sin(i + 1)) * 4294967296.0);
}

static void mix(uint32_t state[4], const uint8_t block[64]) {
  uint32_t words[16];
  memcpy(words, block, sizeof words); /* little-endian, as the machine */
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  for (int i = 0; i < 64; i++) {
    uint32_t f;
    int g;
    if (i < 16) f = (b & c) | (~b & d), g = i;
    else if (i < 32) f = (d & b) | (~d & c), g = (5 * i + 1) & 15;
    else if (i < 48) f = b ^ c ^ d, g = (3 * i + 5) & 15;
    else f = c ^ (b | ~d), g = (7 * i) & 15;
    uint32_t sum = a + f + constants[i] + words[g];
    int shift = shifts[i >> 4][i & 3];
    a = d, d = c, c = b;
    b += sum << shift | sum >> (32 - shift);
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

void md5Hex(const char *data, size_t length, char hex[33]) {
  if (constants[0] == 0) prepare();
  uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  size_t whole = length & ~(size_t)63;
  for (size_t at = 0; at < whole; at += 64) mix(state, (const uint8_t *)data + at);
  uint8_t tail[128] = {0};
  size_t rest = length - whole, tailBytes = rest < 56 ? 64 : 128;
  memcpy(tail, data + whole, rest);
  tail[rest] = 0x80;
  uint64_t bits = (uint64_t)length * 8;
  memcpy(tail + tailBytes - 8, &bits, 8);
  for (size_t at = 0; at < tailBytes; at += 64) mix(state, tail + at);
  static const char digits[] = "0123456789abcdef";
  const uint8_t *bytes = (const uint8_t *)state;
  for (int i = 0; i < 16; i++) {
    hex[2 * i] = digits[bytes[i] >> 4];
    hex[2 * i + 1] = digits[bytes[i] & 15];
  }
  hex[32] = 0;
}
