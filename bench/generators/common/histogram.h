/*
 * Latency histogram with logarithmic buckets: 32 sub-buckets per power of two, so a reported
 * percentile is at most about 3 % above the true one. Recording is a shift and an add: it must not
 * slow the generator down. Values are nanoseconds.
 */
#ifndef POSTHORN_HISTOGRAM_H
#define POSTHORN_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS (64 << HISTOGRAM_SUB_BITS)

struct histogram {
  uint64_t count;
  uint64_t maxNs;
  uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogramBucket(uint64_t ns) {
  if (ns < (1u << HISTOGRAM_SUB_BITS)) return (unsigned)ns;
  unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
  unsigned shift = exponent - HISTOGRAM_SUB_BITS;
  unsigned sub = (unsigned)(ns >> shift) & ((1u << HISTOGRAM_SUB_BITS) - 1);
  return ((shift + 1) << HISTOGRAM_SUB_BITS) + sub;
}

static inline void histogramAdd(struct histogram *h, uint64_t ns) {
  h->count++;
  if (ns > h->maxNs) h->maxNs = ns;
  h->buckets[histogramBucket(ns)]++;
}

/* The upper edge, in nanoseconds, of the bucket that holds the given fraction (0..1]. */
static inline uint64_t histogramPercentile(const struct histogram *h, double fraction) {
  if (h->count == 0) return 0;
  uint64_t wanted = (uint64_t)((double)h->count * fraction);
  if (wanted < 1) wanted = 1;
  uint64_t seen = 0;
  for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen < wanted) continue;
    if (i < (1u << HISTOGRAM_SUB_BITS)) return i;
    unsigned shift = (i >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t low = (uint64_t)((1u << HISTOGRAM_SUB_BITS) | (i & ((1u << HISTOGRAM_SUB_BITS) - 1)));
    uint64_t edge = ((low + 1) << shift) - 1;
    return edge > h->maxNs ? h->maxNs : edge;
  }
  return h->maxNs;
}

#endif
