/**
 * The attributes of a queue: how each is read from a queue's options, and what setting it changes.
 *
 * What the core knows (delays, leases, retention, dead letters, duplicates) lives in its options;
 * what only SQS knows lives in `annotations`. A queue that another protocol declared has neither,
 * and shows SQS's defaults where they are true of it: it has no MessageRetentionPeriod.
 *
 * Nothing is encrypted at rest: SqsManagedSseEnabled is "false", and turning it on, or giving a KMS
 * key, is refused.
 */
import type { Queue } from '#core/queue/queue.ts';
import { LEASE_MS_DEFAULT } from '#core/queue/queue-options.ts';
import type { MutableQueueOptions, QueueOptions } from '#core/queue/queue-options.ts';
import { checkPolicy } from './access-policy.ts';
import { SqsError } from './errors.ts';
import { Annotation } from './queue-draft.ts';
import type { QueueContext, QueueDraft } from './queue-draft.ts';
import { queueArn } from './queue-url.ts';
import { readRedriveAllowPolicy, redriveOptions, redrivePolicyText } from './redrive-policy.ts';

export const MESSAGE_BYTES_MAX = 1_048_576;
export const DELAY_SECONDS_MAX = 900;
export const VISIBILITY_SECONDS_MAX = 43_200;
export const WAIT_SECONDS_MAX = 20;
const MESSAGE_BYTES_MIN = 1024;
const RETENTION_SECONDS_MIN = 60;
const RETENTION_SECONDS_MAX = 1_209_600;
const RETENTION_SECONDS_DEFAULT = 345_600;
const DUPLICATES_WINDOW_MS = 300_000;
const KMS_REUSE_SECONDS_DEFAULT = '300';

type Settings = Pick<QueueOptions, 'grouping' | keyof MutableQueueOptions>;

interface SettableAttribute {
  readonly fifoOnly?: true;
  /** Null: it has none. */
  readonly get: (settings: Settings, context: QueueContext) => string | null;
  /** Throws SqsError. */
  readonly set: (draft: QueueDraft, value: string, context: QueueContext) => void;
}

function invalid(name: string, reason = ''): SqsError {
  const text = `Invalid value for the parameter ${name}.`;
  return new SqsError('InvalidAttributeValue', reason === '' ? text : `${text} Reason: ${reason}`);
}

function notEncrypted(name: string): SqsError {
  return new SqsError(
    'UnsupportedOperation',
    `${name} is not supported: this broker does not encrypt messages at rest.`,
  );
}

function integer(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max) throw invalid(name);
  return number;
}

function boolean(name: string, value: string): boolean {
  const lower = value.toLowerCase();
  if (lower !== 'true' && lower !== 'false') throw invalid(name);
  return lower === 'true';
}

function seconds(ms: number): string {
  return String(Math.floor(ms / 1000));
}

function changeDuplicates(draft: QueueDraft, change: Partial<QueueDraft['duplicates']>): void {
  draft.duplicates = {
    windowMs: DUPLICATES_WINDOW_MS,
    scope: 'queue',
    contentBased: false,
    ...draft.duplicates,
    ...change,
  };
}

/** '' takes the annotation away. */
function annotate(draft: QueueDraft, annotation: string, value: string): void {
  if (value === '') delete draft.annotations[annotation];
  else draft.annotations[annotation] = value;
}

const SETTABLE: Readonly<Record<string, SettableAttribute>> = {
  Policy: {
    get: ({ annotations }) => annotations[Annotation.Policy] ?? null,
    set: (draft, value) => {
      if (value !== '') checkPolicy(value);
      annotate(draft, Annotation.Policy, value);
    },
  },
  VisibilityTimeout: {
    get: ({ leaseMs }) => seconds(leaseMs ?? LEASE_MS_DEFAULT),
    set: (draft, value) => {
      draft.leaseMs = integer('VisibilityTimeout', value, 0, VISIBILITY_SECONDS_MAX) * 1000;
    },
  },
  MaximumMessageSize: {
    get: (settings) => String(messageBytesMax(settings)),
    set: (draft, value) => {
      const bytes = integer('MaximumMessageSize', value, MESSAGE_BYTES_MIN, MESSAGE_BYTES_MAX);
      draft.messageBytesMax = bytes;
    },
  },
  MessageRetentionPeriod: {
    get: ({ retentionMs }) => (retentionMs === null ? null : seconds(retentionMs)),
    set: (draft, value) => {
      const name = 'MessageRetentionPeriod';
      const period = integer(name, value, RETENTION_SECONDS_MIN, RETENTION_SECONDS_MAX);
      draft.retentionMs = period * 1000;
    },
  },
  DelaySeconds: {
    get: ({ delayMs }) => seconds(delayMs ?? 0),
    set: (draft, value) => {
      draft.delayMs = integer('DelaySeconds', value, 0, DELAY_SECONDS_MAX) * 1000;
    },
  },
  ReceiveMessageWaitTimeSeconds: {
    get: ({ annotations }) => annotations[Annotation.ReceiveWait] ?? '0',
    set: (draft, value) => {
      const wait = integer('ReceiveMessageWaitTimeSeconds', value, 0, WAIT_SECONDS_MAX);
      draft.annotations[Annotation.ReceiveWait] = String(wait);
    },
  },
  RedrivePolicy: {
    get: (settings, { site }) => redrivePolicyText(settings, site),
    set: (draft, value, context) =>
      void Object.assign(draft, redriveOptions(draft, value, context)),
  },
  RedriveAllowPolicy: {
    get: ({ annotations }) => annotations[Annotation.RedriveAllowPolicy] ?? null,
    set: (draft, value) => {
      const text = value === '' ? '' : JSON.stringify(readRedriveAllowPolicy(value));
      annotate(draft, Annotation.RedriveAllowPolicy, text);
    },
  },
  FifoQueue: {
    get: ({ grouping }) => (grouping === 'fifo' ? 'true' : null),
    set: ({ grouping }, value) => {
      if (grouping !== 'fifo') throw unknownAttribute('FifoQueue');
      if (value.toLowerCase() === 'true') return;
      throw invalid('FifoQueue', 'Modifying queue type is not supported.');
    },
  },
  ContentBasedDeduplication: {
    fifoOnly: true,
    get: ({ duplicates }) => String(duplicates?.contentBased ?? false),
    set: (draft, value) => {
      changeDuplicates(draft, { contentBased: boolean('ContentBasedDeduplication', value) });
    },
  },
  DeduplicationScope: {
    fifoOnly: true,
    get: ({ duplicates }) => (duplicates?.scope === 'group' ? 'messageGroup' : 'queue'),
    set: (draft, value) => {
      if (value !== 'messageGroup' && value !== 'queue') throw invalid('DeduplicationScope');
      changeDuplicates(draft, { scope: value === 'queue' ? 'queue' : 'group' });
    },
  },
  FifoThroughputLimit: {
    fifoOnly: true,
    get: ({ annotations }) => annotations[Annotation.ThroughputLimit] ?? 'perQueue',
    set: (draft, value) => {
      if (value !== 'perMessageGroupId' && value !== 'perQueue') {
        throw invalid('FifoThroughputLimit');
      }
      draft.annotations[Annotation.ThroughputLimit] = value;
    },
  },
  SqsManagedSseEnabled: {
    get: () => 'false',
    set: (_draft, value) => {
      if (boolean('SqsManagedSseEnabled', value)) throw notEncrypted('SqsManagedSseEnabled');
    },
  },
  KmsMasterKeyId: {
    get: () => null,
    set: (_draft, value) => {
      if (value !== '') throw notEncrypted('KmsMasterKeyId');
    },
  },
  KmsDataKeyReusePeriodSeconds: {
    get: () => null,
    set: (_draft, value) => {
      const name = 'KmsDataKeyReusePeriodSeconds';
      if (value !== KMS_REUSE_SECONDS_DEFAULT) throw notEncrypted(name);
    },
  },
};

const READ_ONLY: Readonly<Record<string, (queue: Queue, context: QueueContext) => string | null>> =
  {
    QueueArn: (queue, { site }) => queueArn(site, queue.name),
    ApproximateNumberOfMessages: ({ readyCount }) => String(readyCount),
    ApproximateNumberOfMessagesNotVisible: ({ unackedCount }) => String(unackedCount),
    ApproximateNumberOfMessagesDelayed: ({ delayedCount }) => String(delayedCount),
    CreatedTimestamp: ({ options }) => options.annotations[Annotation.Created] ?? null,
    LastModifiedTimestamp: ({ options }) => options.annotations[Annotation.Modified] ?? null,
  };

const NAMES = [...Object.keys(READ_ONLY), ...Object.keys(SETTABLE)];
const KNOWN = new Set(NAMES);

/** `name` may be asked of a queue. */
export function isQueueAttribute(name: string): boolean {
  return KNOWN.has(name);
}

export function unknownAttribute(name: string): SqsError {
  return new SqsError('InvalidAttributeName', `Unknown Attribute ${name}.`);
}

/** Body and attributes of one message together. */
export function messageBytesMax(settings: Pick<QueueOptions, 'messageBytesMax'>): number {
  return Math.min(settings.messageBytesMax ?? MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX);
}

/** Those of `names` that the queue has; `All` for all. Throws SqsError InvalidAttributeName. */
export function readAttributes(
  queue: Queue,
  names: readonly string[],
  context: QueueContext,
): Record<string, string> {
  for (const name of names) {
    if (name !== 'All' && !KNOWN.has(name)) throw unknownAttribute(name);
  }
  const found: Record<string, string> = {};
  for (const name of names.includes('All') ? NAMES : names) {
    const value = attribute(queue, name, context);
    if (value !== null) found[name] = value;
  }
  return found;
}

function attribute(queue: Queue, name: string, context: QueueContext): string | null {
  const readOnly = READ_ONLY[name];
  if (readOnly !== undefined) return readOnly(queue, context);
  const { fifoOnly, get } = SETTABLE[name]!;
  return fifoOnly && queue.options.grouping !== 'fifo' ? null : get(queue.options, context);
}

/** The settings of a new queue, before its attributes are set. */
export function newDraft(isFifo: boolean, nowMs: number): QueueDraft {
  return {
    grouping: isFifo ? 'fifo' : 'fair',
    duplicates: isFifo
      ? { windowMs: DUPLICATES_WINDOW_MS, scope: 'queue', contentBased: false }
      : null,
    delayMs: 0,
    leaseMs: LEASE_MS_DEFAULT,
    retentionMs: RETENTION_SECONDS_DEFAULT * 1000,
    messageBytesMax: MESSAGE_BYTES_MAX,
    receivesMax: null,
    deadLetterExchange: null,
    deadLetterRoutingKey: null,
    annotations: { [Annotation.Created]: seconds(nowMs), [Annotation.Modified]: seconds(nowMs) },
  };
}

export function draftOf({ options }: Queue): QueueDraft {
  const { grouping, duplicates, delayMs, leaseMs, retentionMs, messageBytesMax } = options;
  const { receivesMax, deadLetterExchange, deadLetterRoutingKey, annotations } = options;
  return {
    grouping,
    duplicates,
    delayMs,
    leaseMs,
    retentionMs,
    messageBytesMax,
    receivesMax,
    deadLetterExchange,
    deadLetterRoutingKey,
    annotations: { ...annotations },
  };
}

/** Throws SqsError, and then nothing of the draft may be used. */
export function setAttributes(
  draft: QueueDraft,
  attributes: Readonly<Record<string, string>>,
  context: QueueContext,
): void {
  for (const name in attributes) settable(name, draft).set(draft, attributes[name]!, context);
  checkThroughput(draft);
}

function settable(name: string, { grouping }: QueueDraft): SettableAttribute {
  const rule = Object.hasOwn(SETTABLE, name) ? SETTABLE[name]! : undefined;
  if (rule === undefined) throw unknownAttribute(name);
  if (!rule.fifoOnly || grouping === 'fifo') return rule;
  if (name === 'ContentBasedDeduplication') throw unknownAttribute(name);
  throw new SqsError(
    'InvalidAttributeName',
    `You can specify the ${name} only when FifoQueue is set to true.`,
  );
}

function checkThroughput({ annotations, duplicates }: QueueDraft): void {
  const perGroup = annotations[Annotation.ThroughputLimit] === 'perMessageGroupId';
  if (!perGroup || duplicates?.scope === 'group') return;
  throw invalid(
    'FifoThroughputLimit',
    'The perMessageGroupId value is allowed only when the value for DeduplicationScope is ' +
      'messageGroup.',
  );
}

/** The first of `attributes` that the queue has with another value, or null. Throws SqsError. */
export function differing(
  queue: Queue,
  attributes: Readonly<Record<string, string>>,
  context: QueueContext,
): string | null {
  const draft = draftOf(queue);
  setAttributes(draft, attributes, context);
  for (const name in attributes) {
    const { get } = SETTABLE[name]!;
    if (get(draft, context) !== get(queue.options, context)) return name;
  }
  return null;
}

export function modifiedNow(draft: QueueDraft, nowMs: number): void {
  draft.annotations[Annotation.Modified] = seconds(nowMs);
}
