/**
 * SqsNode: the broker as SQS clients see it, and what all connections share.
 */
import type { Broker } from '#core/broker.ts';
import type { ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';

export class SqsNode {
  readonly broker: Broker;
  readonly namespace: Namespace;
  readonly metrics: ProtocolMetrics;

  constructor(broker: Broker) {
    this.broker = broker;
    this.namespace = broker.defaultNamespace;
    this.metrics = broker.metrics.protocol('sqs');
  }
}
