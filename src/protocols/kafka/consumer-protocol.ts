/**
 * What consumers say to each other through a group (org.apache.kafka.clients.consumer.internals
 * .ConsumerProtocol). The broker only looks into it to know which topics a group reads:
 *
 *   subscription: version i16 | topics [string] | …
 */
import type { Group } from '#core/group/group.ts';
import { Reader } from '#wire/reader.ts';

const CONSUMER = 'consumer';

/** Null when it cannot be known: other kinds of members, or bytes that make no sense. */
export function subscribedTopics(group: Group): ReadonlySet<string> | null {
  if (group.protocolType !== CONSUMER || group.protocolName === null) return null;
  const topics = new Set<string>();
  for (const member of group.members.values()) {
    const metadata = member.metadata(group.protocolName);
    const bytes = Buffer.from(metadata.buffer, metadata.byteOffset, metadata.length);
    const reader = new Reader().reset(bytes, 0, bytes.length, false);
    try {
      reader.int16();
      for (const topic of reader.array((r) => r.string())) topics.add(topic);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return null;
    }
  }
  return topics;
}
