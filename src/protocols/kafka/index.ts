/**
 * Kafka: the protocol as the server sees it. README.md says what is served and what is not.
 */
import { KafkaConnection } from './connection.ts';
import { HANDLERS } from './handlers/index.ts';
import { KafkaNode } from './node.ts';
import type { ProtocolFactory } from '#protocols/contract.ts';

export const kafka: ProtocolFactory = (broker) => {
  const node = new KafkaNode(broker, HANDLERS);
  return {
    name: 'kafka',
    accept: (sink, peer) => new KafkaConnection(node, sink, peer),
  };
};
