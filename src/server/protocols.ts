/** The protocols that are served, each with the port it is on; in the order of the ready line. */
import { Envelopes } from '#core/message/envelope.ts';
import { amqp091, readAmqp091 } from '#protocols/amqp091/index.ts';
import type { ProtocolFactory } from '#protocols/contract.ts';
import { kafka } from '#protocols/kafka/index.ts';
import { nats, readNats } from '#protocols/nats/index.ts';
import { readSqs, sqs } from '#protocols/sqs/index.ts';
import type { PortName } from './settings.ts';

type ProtocolPort = Exclude<PortName, 'http' | 'nats-http'>;

/** Absent or null: not listened on. */
export type ProtocolPorts = Readonly<Partial<Record<ProtocolPort, number | null>>>;

export const PROTOCOLS: readonly [ProtocolPort, ProtocolFactory][] = [
  ['kafka', kafka],
  ['amqp', amqp091],
  ['nats', nats],
  ['sqs', sqs],
];

/** What is stored may have come by a protocol that is not listened on now. */
export function allEnvelopes(): Envelopes {
  const envelopes = new Envelopes();
  readAmqp091(envelopes);
  readNats(envelopes);
  readSqs(envelopes);
  return envelopes;
}
