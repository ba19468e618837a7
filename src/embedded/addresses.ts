/**
 * Where clients find a namespace, in the words of each protocol.
 */
import type { Binding } from '#server/binding.ts';
import type { PortName } from '#server/settings.ts';
import type {
  Address,
  AmqpAddress,
  BrokerOptions,
  HttpAddress,
  KafkaAddress,
  NatsAddress,
  SqsAddress,
} from './api.ts';

const ACCOUNT = '000000000000';
const REGION = 'us-east-1';
const DEFAULT_NAMESPACE = '/';
/** SDKs want some; nobody looks at them while no users are configured. */
const NO_CREDENTIALS = { accessKeyId: 'posthorn', secretAccessKey: 'posthorn' };

/** Of the first user with a password; null when everybody may come in. */
export interface Credentials {
  readonly name: string;
  readonly password: string;
}

export function credentialsOf(users: BrokerOptions['users']): Credentials | null {
  for (const { name, password } of users ?? []) {
    if (password !== undefined) return { name, password };
  }
  return null;
}

export class Addresses {
  readonly #bound: Map<PortName, Address>;
  readonly #credentials: Credentials | null;

  constructor(bound: readonly Binding[], credentials: Credentials | null) {
    this.#bound = new Map(
      bound.map(({ name, hosts, port }) => [name, { host: hosts[0]!, port }] as const),
    );
    this.#credentials = credentials;
  }

  /** On the ports of `bound`; AMQP has one for all namespaces. */
  of(bound: readonly Binding[], credentials: Credentials | null): Addresses {
    const amqp = this.#bound.get('amqp');
    const addresses = new Addresses(bound, credentials);
    if (amqp) addresses.#bound.set('amqp', amqp);
    return addresses;
  }

  get kafka(): KafkaAddress {
    const { host, port } = this.#at('kafka');
    const bootstrap = `${host}:${port}`;
    return { host, port, bootstrap, brokers: [bootstrap] };
  }

  amqp(namespace: string): AmqpAddress {
    const { host, port } = this.#at('amqp');
    const { name, password } = this.#credentials ?? { name: 'guest', password: 'guest' };
    const user = `${encodeURIComponent(name)}:${encodeURIComponent(password)}`;
    const vhost = namespace === DEFAULT_NAMESPACE ? '' : `/${encodeURIComponent(namespace)}`;
    return { host, port, url: `amqp://${user}@${host}:${port}${vhost}` };
  }

  get nats(): NatsAddress {
    const { host, port } = this.#at('nats');
    const who = this.#credentials;
    const servers = `${host}:${port}`;
    const options = who ? { servers, user: who.name, pass: who.password } : { servers };
    return { host, port, url: `nats://${servers}`, options };
  }

  get sqs(): SqsAddress {
    const { host, port } = this.#at('sqs');
    const endpoint = `http://${host}:${port}`;
    const who = this.#credentials;
    const credentials = who
      ? { accessKeyId: who.name, secretAccessKey: who.password }
      : NO_CREDENTIALS;
    const options = { endpoint, region: REGION, credentials };
    const queueUrl = (name: string): string => `${endpoint}/${ACCOUNT}/${name}`;
    return { host, port, ...options, options, queueUrl };
  }

  get http(): HttpAddress {
    const { host, port } = this.#at('http');
    return { host, port, url: `http://${host}:${port}` };
  }

  #at(name: PortName): Address {
    const address = this.#bound.get(name);
    if (address) return address;
    throw new Error(`this broker does not listen for ${name}: it is not among its protocols`);
  }
}
