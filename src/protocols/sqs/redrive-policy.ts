/**
 * RedrivePolicy and RedriveAllowPolicy: where messages go that were received too often, and which
 * queues may send them to this one. A dead-letter queue is an ordinary queue, reached through the
 * default exchange, so that other protocols' queues may dead-letter there too.
 */
import { Permission } from '#core/authenticator.ts';
import type { MutableQueueOptions, QueueOptions } from '#core/queue/queue-options.ts';
import type { Site } from './action.ts';
import { invalidValue } from './errors.ts';
import type { SqsError } from './errors.ts';
import { Annotation } from './queue-draft.ts';
import type { QueueContext } from './queue-draft.ts';
import { queueArn, queueNameOfArn } from './queue-url.ts';

const DEFAULT_EXCHANGE = '';
const RECEIVES_MAX = 1000;
const SOURCES_MAX = 10;
const TARGET = 'deadLetterTargetArn';
const RECEIVES = 'maxReceiveCount';

type RedriveOptions = Pick<
  MutableQueueOptions,
  'deadLetterExchange' | 'deadLetterRoutingKey' | 'receivesMax'
>;

interface RedriveAllowPolicy {
  readonly redrivePermission: 'allowAll' | 'denyAll' | 'byQueue';
  readonly sourceQueueArns?: readonly string[];
}

function invalid(text: string, reason: string): SqsError {
  return invalidValue('RedrivePolicy', text, reason);
}

/** Null when it is none, or an array. */
function jsonObject(text: string): Record<string, unknown> | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : null;
}

/** The name of the queue's dead-letter queue, or null. */
export function deadLetterQueueName(
  options: Pick<QueueOptions, 'deadLetterExchange' | 'deadLetterRoutingKey'>,
): string | null {
  return options.deadLetterExchange === DEFAULT_EXCHANGE ? options.deadLetterRoutingKey : null;
}

/** Null when the queue has none, or dies for other reasons than being received too often. */
export function redrivePolicyText(options: RedriveOptions, site: Site): string | null {
  const name = deadLetterQueueName(options);
  if (name === null || options.receivesMax === null) return null;
  return JSON.stringify({ [TARGET]: queueArn(site, name), [RECEIVES]: options.receivesMax });
}

/** '' ends it. Throws SqsError. */
export function redriveOptions(
  source: Pick<QueueOptions, 'grouping'>,
  text: string,
  context: QueueContext,
): RedriveOptions {
  if (text === '') {
    return { deadLetterExchange: null, deadLetterRoutingKey: null, receivesMax: null };
  }
  const policy = jsonObject(text);
  if (policy === null) throw invalid(text, 'Redrive policy is not a valid JSON map.');
  for (const name of [TARGET, RECEIVES]) {
    if (policy[name] !== undefined) continue;
    throw invalid(text, `Redrive policy does not contain mandatory attribute: ${name}.`);
  }
  if (Object.keys(policy).length > 2) {
    throw invalid(text, `Only following attributes are supported: [${TARGET}, ${RECEIVES}].`);
  }
  const target = deadLetterTarget(source, text, String(policy[TARGET]), context);
  return {
    deadLetterExchange: DEFAULT_EXCHANGE,
    deadLetterRoutingKey: target,
    receivesMax: maxReceiveCount(text, policy[RECEIVES]),
  };
}

function maxReceiveCount(text: string, given: unknown): number {
  const count = typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given;
  if (typeof count === 'number' && Number.isInteger(count) && count >= 1 && count <= RECEIVES_MAX)
    return count;
  throw invalid(
    text,
    `Invalid value for maxReceiveCount: ${String(given)}, ` +
      `valid values are from 1 to ${RECEIVES_MAX} both inclusive.`,
  );
}

function deadLetterTarget(
  source: Pick<QueueOptions, 'grouping'>,
  text: string,
  arn: string,
  { namespace, name, call }: QueueContext,
): string {
  const target = queueNameOfArn(arn);
  if (target !== null) call.permit(target, Permission.Write);
  const queue = target === null ? undefined : namespace.queues.get(target);
  if (queue === undefined) throw invalid(text, 'Dead letter target does not exist.');
  if ((queue.options.grouping === 'fifo') !== (source.grouping === 'fifo')) {
    throw invalid(text, 'Dead-letter queue must be same type of queue as the source.');
  }
  if (!isAllowed(queue.options.annotations[Annotation.RedriveAllowPolicy], name)) {
    throw invalid(text, 'Queue does not have permission to use the dead letter target.');
  }
  return queue.name;
}

/** By the dead-letter queue's own policy; without one, everybody may. */
function isAllowed(text: string | undefined, sourceName: string): boolean {
  if (text === undefined) return true;
  const { redrivePermission, sourceQueueArns } = JSON.parse(text) as RedriveAllowPolicy;
  if (redrivePermission !== 'byQueue') return redrivePermission === 'allowAll';
  return sourceQueueArns!.some((arn) => queueNameOfArn(arn) === sourceName);
}

/** Throws SqsError. */
export function readRedriveAllowPolicy(text: string): RedriveAllowPolicy {
  const wrong = (reason: string) => invalidValue('RedriveAllowPolicy', text, reason);
  const policy = jsonObject(text);
  if (policy === null) throw wrong('Redrive allow policy is not a valid JSON map.');
  const { redrivePermission, sourceQueueArns, ...others } = policy;
  if (Object.keys(others).length > 0) {
    throw wrong('Only following attributes are supported: [redrivePermission, sourceQueueArns].');
  }
  if (
    redrivePermission !== 'allowAll' &&
    redrivePermission !== 'denyAll' &&
    redrivePermission !== 'byQueue'
  ) {
    throw wrong('redrivePermission must be one of allowAll, denyAll, byQueue.');
  }
  if (redrivePermission !== 'byQueue') {
    if (sourceQueueArns === undefined) return { redrivePermission };
    throw wrong('sourceQueueArns is allowed only when redrivePermission is byQueue.');
  }
  const isList =
    Array.isArray(sourceQueueArns) &&
    sourceQueueArns.length > 0 &&
    sourceQueueArns.length <= SOURCES_MAX &&
    sourceQueueArns.every((arn) => typeof arn === 'string' && queueNameOfArn(arn) !== null);
  if (!isList) throw wrong(`sourceQueueArns must be a list of 1 to ${SOURCES_MAX} queue ARNs.`);
  return { redrivePermission, sourceQueueArns: sourceQueueArns as string[] };
}
