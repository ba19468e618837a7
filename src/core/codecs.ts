/**
 * Codecs: compression as Kafka's batches use it (batch.ts, Codec). The core only needs it where a
 * batch must be opened: feeding queues, reading a topic as messages, recompressing. The server
 * passes the implementation.
 */
export interface Codecs {
  /** The records of a batch, compressed with `codec` (never Codec.None). `level` null = default. */
  compress(codec: number, bytes: Uint8Array, level: number | null): Uint8Array;
  /**
   * Throws BrokerError 'too-large' when the result would have more than `bytesMax`, and
   * 'invalid-argument' when the bytes are not of that codec or the codec is unknown.
   */
  decompress(codec: number, bytes: Uint8Array, bytesMax: number): Uint8Array;
}
