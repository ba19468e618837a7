/**
 * basic.qos. RabbitMQ's meaning, not the specification's: global=false is the prefetch of every
 * consumer started from now on, global=true one that all consumers of the channel share.
 */
import type { Channel } from '../channel.ts';
import { Method, type MethodReader } from '../codec.ts';
import { notImplemented } from '../errors.ts';

export function basicQos(channel: Channel, reader: MethodReader): void {
  const prefetchBytes = reader.long();
  const prefetchCount = reader.short();
  const global = reader.bit();
  if (prefetchBytes !== 0) throw notImplemented(`prefetch_size!=0 (${prefetchBytes})`);
  if (global) channel.credit.limit = prefetchCount;
  else {
    channel.prefetch = prefetchCount;
    // As in RabbitMQ, it takes a shared limit away.
    channel.credit.limit = 0;
  }
  channel.connection.writer.begin(channel.number, Method.BasicQosOk).end();
  channel.connection.sendSoon();
  channel.pumpAll();
}
