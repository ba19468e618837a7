/**
 * Limits: how much of anything the broker takes before it refuses or slows down. All of them come
 * from the configuration; what is here are the defaults.
 */
export interface Limits {
  /** Memory that queues may hold before publishers are slowed. */
  readonly memoryBytesMax: number;
  /** Memory of the whole process above which publishers are slowed too. */
  readonly processBytesMax: number;
  /** Largest message body; RabbitMQ's default since 4.0. */
  readonly bodyBytesMax: number;
  /** Largest request a Kafka client may send (socket.request.max.bytes). */
  readonly requestBytesMax: number;
  /** Largest message a NATS client may publish, headers included (max_payload). */
  readonly payloadBytesMax: number;
  /** Subscriptions of one connection (NATS: max_subscriptions). */
  readonly subscriptionsMax: number;
  /** What may wait for a subscriber that does not read before it is cut off (NATS: max_pending). */
  readonly pendingBytesMax: number;
  /** Bytes of large requests that have begun to arrive, over all connections of a protocol. */
  readonly assembledBytesMax: number;
  readonly connectionsMax: number;
  readonly channelsMax: number;
  /** Bytes of a name of a queue, exchange or binding key: AMQP's short string. */
  readonly nameBytesMax: number;
  readonly queuesMax: number;
  readonly topicPartitionsMax: number;
  /** Partitions that one request may make: each costs a little of everybody's time. */
  readonly requestPartitionsMax: number;
  /** Routes remembered per exchange. */
  readonly cachedRoutesMax: number;
  /** Most bytes a batch may have when decompressed: a few kilobytes can claim to be gigabytes. */
  readonly decompressedBytesMax: number;
}

const MIB = 1024 * 1024;

/** Only the caller knows the machine. Queues get 0.4 of it, the whole process 0.6. */
export function defaultLimits(machineBytes: number): Limits {
  return {
    memoryBytesMax: Math.floor(machineBytes * 0.4),
    processBytesMax: Math.floor(machineBytes * 0.6),
    bodyBytesMax: 16 * MIB,
    requestBytesMax: 100 * MIB,
    payloadBytesMax: MIB,
    subscriptionsMax: 1_000_000,
    pendingBytesMax: 64 * MIB,
    assembledBytesMax: Math.floor(machineBytes * 0.1),
    connectionsMax: 10_000,
    channelsMax: 2047,
    nameBytesMax: 255,
    queuesMax: 1_000_000,
    topicPartitionsMax: 100_000,
    requestPartitionsMax: 10_000,
    cachedRoutesMax: 4096,
    decompressedBytesMax: 32 * MIB,
  };
}
