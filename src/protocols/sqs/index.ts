/**
 * Amazon SQS: the protocol as the server sees it. README.md says what is served and what is not.
 */
import type { Envelopes } from '#core/message/envelope.ts';
import { Origin } from '#core/message/message.ts';
import { type ProtocolFactory, Refusal } from '#protocols/contract.ts';
import { HttpRefusal } from '#wire/http-request.ts';
import { OutputBuffer } from '#wire/output-buffer.ts';
import { SqsConnection } from './connection.ts';
import { createHandlers } from './handlers/index.ts';
import { decodeMessage, ORIGIN_EXTRAS } from './mapping.ts';
import { SqsNode } from './node.ts';
import { writeRefusal } from './response.ts';

const REFUSALS = {
  [Refusal.Connections]: [HttpRefusal.Unavailable, 'too many connections are open'],
  [Refusal.PlainText]: [HttpRefusal.BadRequest, 'this port speaks HTTPS'],
} as const;

export const sqs: ProtocolFactory = (broker, _address, namespace) => {
  const seen = namespace === undefined ? broker.defaultNamespace : broker.namespace(namespace);
  const node = new SqsNode(broker, seen);
  const handlers = createHandlers(node);
  return {
    name: 'sqs',
    accept: (sink, peer) => new SqsConnection(node, handlers, sink, peer),
    refuse: (reason) => {
      const output = new OutputBuffer();
      const [status, text] = REFUSALS[reason];
      writeRefusal(output, status, text, node.requestIds().next(), node.httpDate());
      return Buffer.concat(output.take());
    },
  };
};

/** Messages that came by it can be read, whether it is served or not. */
export function readSqs(envelopes: Envelopes): void {
  envelopes.register(Origin.Sqs, decodeMessage, ORIGIN_EXTRAS);
}
