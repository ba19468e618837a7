/**
 * Kafka: the protocol as the server sees it. README.md says what is served and what is not.
 */
import { KafkaConnection } from './connection.ts';
import { HANDLERS } from './handlers/index.ts';
import { KafkaNode } from './node.ts';
import { DEFAULT_NAMESPACE } from '#core/names.ts';
import type { ProtocolFactory } from '#protocols/contract.ts';

export const kafka: ProtocolFactory = (broker, _address, namespace = DEFAULT_NAMESPACE) => {
  const node = new KafkaNode(broker, broker.namespace(namespace), HANDLERS);
  return {
    name: 'kafka',
    accept: (sink, peer) => new KafkaConnection(node, sink, peer),
  };
};
