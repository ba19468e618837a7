/**
 * The forms of all that the public methods take, in the order of api.ts. What would be taken and
 * have no effect is refused here too.
 */
import { defaultLimits, type Limits as CoreLimits } from '#core/limits.ts';
import type {
  Binding,
  BrokerOptions,
  ExchangeOptions,
  LimitName,
  Permissions,
  Place,
  PublishOptions,
  QueueOptions,
  SubjectRules,
  TopicOptions,
  User,
} from './api.ts';
import {
  callback,
  fields,
  flag,
  type Form,
  header,
  integer,
  list,
  name,
  nullable,
  oneOf,
  table,
  text,
} from './forms.ts';
import type { SpyFilter } from './spied.ts';

/** What is waited for, kept or skipped at most: ten years. */
const DURATION_MS_MAX = 315_360_000_000;
export const PROTOCOLS = ['kafka', 'amqp', 'nats', 'sqs', 'http'] as const;
const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'];
const PORT_MAX = 65_535;
const PRIORITY_MAX = 255;
const TIMER_MS_MAX = 2 ** 31 - 1;

const duration = integer(0, DURATION_MS_MAX);
const atLeastOne = integer(1);

/** The public names of the limits are those of the core, all of them. */
const LIMITS: Record<keyof CoreLimits, Form> & Record<LimitName, Form> = Object.fromEntries(
  Object.keys(defaultLimits(0)).map((limit) => [limit, atLeastOne]),
) as Record<keyof CoreLimits, Form>;

const permissions = fields<Permissions>(
  'permission',
  { configure: text, write: text, read: text },
  ['configure', 'write', 'read'],
);
const rules = fields<SubjectRules>('rule of subjects', { allow: list(text), deny: list(text) });
const subjects = fields<NonNullable<User['subjects']>>('field of subjects', {
  publish: rules,
  subscribe: rules,
  allowResponses: flag,
});

const userFields = fields<User>(
  'field of a user',
  {
    name,
    password: text,
    tags: list(text),
    permissions: table(permissions),
    token: name,
    subjects,
  },
  ['name'],
);

const user: Form = (place, value) => {
  userFields(place, value);
  const { password, token } = value as User;
  if (password ?? token) return;
  throw new TypeError(`${place} has neither a password nor a token`);
};

const placeFields = fields<{ exchange: string; topic: string; queue: string }>('kind of place', {
  exchange: text,
  topic: name,
  queue: name,
});

const place: Form = (at, value) => {
  placeFields(at, value);
  const given = Object.values(value as Place).filter((it) => it !== undefined);
  if (given.length !== 1) throw new TypeError(`${at} names one of exchange, topic and queue`);
};

export const bindingForm: Form = fields<Binding>(
  'field of a binding',
  { from: place, to: place, key: text, as: text, arguments: table(header) },
  ['from', 'to'],
);

const path: Form = (at, value) => {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(`${at} is not the path of a folder`);
  }
};
const storeFolder = fields<{ folder: string }>('kind of store', { folder: path }, ['folder']);
const storeName = oneOf(['memory', 'temporary']);
const spyBounds = fields<{ messages: number; bytes: number }>('option of spy', {
  messages: atLeastOne,
  bytes: atLeastOne,
});
const logLevel = oneOf(LEVELS);

const brokerOptions = fields<BrokerOptions>('option of startBroker', {
  store: (at, value) => (typeof value === 'object' ? storeFolder : storeName)(at, value),
  sync: oneOf(['commit', 'os']),
  protocols: list(oneOf(PROTOCOLS), 1),
  ports: fields<Required<NonNullable<BrokerOptions['ports']>>>('protocol', {
    kafka: integer(0, PORT_MAX),
    amqp: integer(0, PORT_MAX),
    nats: integer(0, PORT_MAX),
    sqs: integer(0, PORT_MAX),
    http: integer(0, PORT_MAX),
  }),
  users: list(user, 1),
  limits: fields<typeof LIMITS>('limit', LIMITS),
  topics: fields<{ partitions: number; autoCreate: boolean }>('option of topics', {
    partitions: atLeastOne,
    autoCreate: flag,
  }),
  namespaces: list(name),
  bindings: list(bindingForm),
  log: (at, value) => {
    if (typeof value !== 'object' || value === null) logLevel(at, value);
    else callback(`${at}.log`, (value as { log?: unknown }).log);
  },
  spy: (at, value) => (typeof value === 'object' ? spyBounds : flag)(at, value),
});

/** Throws TypeError. */
export function checkOptions(options: BrokerOptions): void {
  brokerOptions('options', options);
  const { store = 'memory', sync, protocols = PROTOCOLS, ports = {} } = options;
  if (store === 'memory' && sync !== undefined) {
    throw new TypeError(`options.sync: a store in memory syncs nothing; it is for one in a folder`);
  }
  for (const protocol of PROTOCOLS) {
    if (ports[protocol] === undefined || protocols.includes(protocol)) continue;
    throw new TypeError(`options.ports.${protocol}: ${protocol} is not among options.protocols`);
  }
}

/** Throws TypeError. */
export function checkNamespace(namespace: string, bytesMax: number): void {
  name('name', namespace);
  if (Buffer.byteLength(namespace) <= bytesMax) return;
  throw new TypeError(`name: that of a namespace has at most ${bytesMax} bytes`);
}

const publishFields = fields<PublishOptions>('option of publish', {
  exchange: text,
  key: (at, value) => {
    if (!(value instanceof Uint8Array)) text(at, value);
  },
  headers: table(header),
  durable: flag,
  delayMs: duration,
  contentType: nullable(text),
  contentEncoding: nullable(text),
  correlationId: nullable(text),
  replyTo: nullable(text),
  messageId: nullable(text),
  type: nullable(text),
  userId: nullable(text),
  appId: nullable(text),
  priority: nullable(integer(0, PRIORITY_MAX)),
  expirationMs: nullable(duration),
});

/** Throws TypeError. */
export function checkPublish(address: string, body: unknown, options: PublishOptions): void {
  text('address', address);
  if (typeof body !== 'string' && (typeof body !== 'object' || body === null)) {
    throw new TypeError(`body: ${String(body)} is neither text nor bytes nor an object`);
  }
  publishFields('options', options);
}

const queueFields = fields<QueueOptions>('queue option', {
  durable: flag,
  ttlMs: duration,
  lengthMax: integer(0),
  overflow: oneOf(['drop-head', 'reject-publish']),
  deadLetterExchange: text,
  deadLetterRoutingKey: text,
  priorityMax: integer(1, PRIORITY_MAX),
});

/** Throws TypeError. */
export function checkQueue(queue: string, options: QueueOptions): void {
  ownName('name', queue);
  queueFields('options', options);
  const { deadLetterExchange, deadLetterRoutingKey, lengthMax, overflow } = options;
  if (overflow !== undefined && lengthMax === undefined) {
    throw new TypeError('options.overflow needs options.lengthMax beside it');
  }
  if (deadLetterRoutingKey === undefined || deadLetterExchange !== undefined) return;
  throw new TypeError('options.deadLetterRoutingKey needs options.deadLetterExchange beside it');
}

const topicFields = fields<TopicOptions>('topic option', {
  partitions: atLeastOne,
  config: table(text),
});

/** Throws TypeError. */
export function checkTopic(topic: string, options: TopicOptions): void {
  name('name', topic);
  topicFields('options', options);
}

const exchangeFields = fields<ExchangeOptions>(
  'exchange option',
  { kind: oneOf(['direct', 'fanout', 'topic', 'headers']), durable: flag },
  ['kind'],
);

/** Throws TypeError. */
export function checkExchange(exchange: string, options: ExchangeOptions): void {
  ownName('name', exchange);
  exchangeFields('options', options);
}

function ownName(at: string, value: string): void {
  name(at, value);
  if (value.startsWith('amq.')) {
    throw new TypeError(`${at}: '${value}': names that begin with amq. are the broker's own`);
  }
}

const filterFields = fields<SpyFilter>('field of a spy filter', {
  event: oneOf(['published', 'delivered']),
  protocol: oneOf(['kafka', 'amqp', 'nats', 'sqs', 'direct']),
  namespace: text,
  address: text,
  exchange: text,
  key: nullable(text),
  text,
  where: callback,
});

/** Throws TypeError. */
export function checkFilter(filter: SpyFilter | SpyFilter['where'], timeoutMs: number): void {
  if (typeof filter !== 'function') filterFields('filter', filter);
  integer(0, TIMER_MS_MAX)('timeoutMs', timeoutMs);
}

/** Throws RangeError. */
export function checkStep(ms: number): void {
  if (Number.isSafeInteger(ms) && ms >= 0 && ms <= DURATION_MS_MAX) return;
  const shown = typeof ms === 'number' ? ms : `a ${typeof ms}`;
  throw new RangeError(
    `the clock is moved by whole milliseconds from 0 to ${DURATION_MS_MAX} (ten years), not by ${shown}`,
  );
}
