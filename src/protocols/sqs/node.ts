/**
 * SqsNode: the broker as SQS clients see it, one tenant, and what all connections share.
 */
import type { Identity } from '#core/authenticator.ts';
import type { Broker } from '#core/broker.ts';
import type { ProtocolMetrics } from '#core/metrics.ts';
import type { Namespace } from '#core/namespace.ts';
import type { Site } from './action.ts';
import type { ActionName } from './actions.ts';
import { RequestIds } from './request-ids.ts';
import { SignatureCheck } from './sigv4.ts';

/** What a queue's policy is asked. */
interface PolicyQuestion {
  readonly identity: Identity;
  readonly action: ActionName;
  readonly queueName: string;
  readonly site: Site;
}

/** Null: the policy says nothing of it, or there is none. */
export type PolicyCheck = (question: PolicyQuestion) => boolean | null;

/** As many names are warned of; a client that makes them up does not fill the log. */
const WARNED_MAX = 100;

export class SqsNode {
  readonly broker: Broker;
  readonly namespace: Namespace;
  readonly metrics: ProtocolMetrics;
  readonly signatures: SignatureCheck;
  /** Asked before the user's own permissions. Set by the handlers. */
  policy: PolicyCheck | null = null;
  /** Of requests that are still arriving, over all connections. */
  arrivingBytes = 0;
  readonly #warned = new Set<string>();
  readonly #idPrefix: string;
  #connections = 0;
  #dateSecond = -1;
  #date = '';

  constructor(broker: Broker, namespace: Namespace) {
    this.broker = broker;
    this.namespace = namespace;
    this.metrics = broker.metrics.protocol('sqs');
    this.signatures = new SignatureCheck(broker);
    const hex = Buffer.from(broker.ports.random.bytes(8)).toString('hex');
    this.#idPrefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-a`;
  }

  /** Of one connection's requests. */
  requestIds(): RequestIds {
    return new RequestIds(this.#idPrefix, ++this.#connections);
  }

  /** For the header Date, by which clients set their clocks. */
  httpDate(): string {
    const nowMs = this.broker.ports.clock.now();
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#dateSecond) {
      this.#dateSecond = second;
      this.#date = new Date(nowMs).toUTCString();
    }
    return this.#date;
  }

  /** A parameter that SQS does not have: AWS reads over it, and so do we, but not in silence. */
  unknownParameter(action: ActionName, name: string): void {
    const key = `${action} ${name}`;
    if (this.#warned.size >= WARNED_MAX || this.#warned.has(key)) return;
    this.#warned.add(key);
    this.broker.ports.log.warn('a parameter that SQS does not have was not used', {
      action,
      parameter: name,
    });
  }
}
