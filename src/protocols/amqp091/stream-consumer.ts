/** Consumers of streams. */
import type { Topic } from '#core/topic.ts';
import type { Channel } from './channel.ts';
import { notImplemented } from './errors.ts';
import type { FieldTable } from './field-table.ts';
import type { ChannelConsumer } from './leases.ts';

export interface StreamConsume {
  tag: string;
  noAck: boolean;
  args: FieldTable;
  where: string;
}

export function consumeStream(
  _channel: Channel,
  _topic: Topic,
  options: StreamConsume,
): ChannelConsumer {
  throw notImplemented(`consuming from ${options.where}`);
}
