/**
 * What a message looks like when it leaves by AMQP.
 *
 * A message that came in by AMQP leaves as it came, byte for byte, unless the broker has something
 * to say about it: a dead-letter history, a delivery count, a stream offset; these are headers, and
 * only then are its properties decoded. One that came in otherwise goes through mapping.ts.
 */
import type { Envelope } from '#core/message/envelope.ts';
import { Origin, type Message } from '#core/message/message.ts';
import type { AmqpConnection } from './connection.ts';
import type { AddressedContent } from './delivery.ts';
import { addDeaths } from './deaths.ts';
import { FieldTable, type FieldValue } from './field-table.ts';
import { encodeEnvelope } from './mapping.ts';
import { decodeProperties, encodeProperties } from './properties.ts';

export interface ExtraHeader {
  name: string;
  value: FieldValue;
}

export function deliveryCountHeader(count: number): ExtraHeader[] {
  return [{ name: 'x-delivery-count', value: { type: 'l', value: count } }];
}

/** Points `content` at the message in AMQP's words. The source of an Amqp091 message must have been
 * checked; in a queue's log it always has. `stream` is the topic a record is read from: what has no
 * address was published to it by name. */
export function fillContent(
  content: AddressedContent,
  message: Message,
  extra: readonly ExtraHeader[] | null,
  { broker, frameBytesMax }: AmqpConnection,
  stream: string | null = null,
): void {
  content.body = message.body;
  content.bodyStart = message.bodyStart;
  content.bodyEnd = message.bodyEnd;
  content.stable = true;
  if (message.origin === Origin.Amqp091) {
    content.setSource(message.source, message.sourceStart, message.sourceEnd);
  } else {
    const envelope = broker.envelopes.decode(message);
    if (stream !== null && envelope.exchange === '') envelope.routingKey ||= stream;
    const source = fitting(envelope, frameBytesMax);
    content.setSource(source, 0, source.length);
  }
  if (extra === null && message.deaths === null) return;

  const from = content.propertiesStart;
  const properties = decodeProperties(content.source, from, content.sourceEnd);
  properties.headers ??= new FieldTable();
  if (message.deaths !== null) addDeaths(properties.headers, message.deaths);
  for (const { name, value } of extra ?? []) properties.headers.set(name, value);
  const address = content.source.subarray(content.sourceStart, from);
  const source = Buffer.concat([address, encodeProperties(properties)]);
  content.setSource(source, 0, source.length);
}

/** What the header frame has beside the properties, and what the broker may still add to them. */
const HEADER_FRAME_RESERVE_BYTES = 256;

/**
 * A header frame cannot be split, and a record of another protocol may have more headers than fit:
 * then all of them are left out, and a header says how many they were.
 */
function fitting(envelope: Envelope, frameBytesMax: number): Buffer {
  const bytesMax = frameBytesMax - HEADER_FRAME_RESERVE_BYTES;
  const source = encodeEnvelope(envelope);
  if (source.length <= bytesMax) return source;
  const dropped = { name: 'x-headers-dropped', value: envelope.headers.length };
  const shorter = encodeEnvelope({ ...envelope, headers: [dropped] });
  if (shorter.length <= bytesMax) return shorter;
  return encodeEnvelope({ ...envelope, headers: [dropped], key: null });
}
