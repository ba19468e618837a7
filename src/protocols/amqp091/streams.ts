/**
 * Stream queues: `x-queue-type: stream` declares a topic with one partition of that name, and a
 * topic of any origin is a stream queue to AMQP.
 */
import type { Namespace } from '#core/namespace.ts';
import type { Topic } from '#core/topic/topic.ts';
import { checkArgument, checkField } from './equivalence.ts';
import { preconditionFailed } from './errors.ts';
import { fieldText, type FieldTable } from './field-table.ts';
import { tableValue } from './mapping.ts';
import { maxAgeMs } from './max-age.ts';
import { comparedArguments, integerOf } from './queue-arguments.ts';

/** A body of the largest size and its properties in one batch. */
const MESSAGE_OVERHEAD_BYTES = 256 * 1024;

/** The arguments have been checked. */
export function declareStream(namespace: Namespace, name: string, args: FieldTable): void {
  const config: Record<string, string> = {
    // A stream keeps everything unless it is told otherwise; a topic would keep a week.
    'retention.ms': '-1',
    'retention.bytes': '-1',
    'max.message.bytes': String(namespace.broker.limits.bodyBytesMax + MESSAGE_OVERHEAD_BYTES),
  };
  for (const [setting, value] of settings(args)) config[setting] = value;
  namespace.createTopic(name, {
    partitions: 1,
    replicationFactor: 1,
    config,
    arguments: tableValue(args),
  });
}

/** The topic settings that the arguments ask for. */
function settings(args: FieldTable): [setting: string, value: string, argument: string][] {
  const found: [string, string, string][] = [];
  const age = args.get('x-max-age');
  if (age) found.push(['retention.ms', String(maxAgeMs(fieldText(age)!)), 'x-max-age']);
  const bytes = args.get('x-max-length-bytes');
  if (bytes) found.push(['retention.bytes', String(integerOf(bytes)!), 'x-max-length-bytes']);
  const segment = args.get('x-stream-max-segment-size-bytes');
  if (segment) {
    found.push(['segment.bytes', String(integerOf(segment)!), 'x-stream-max-segment-size-bytes']);
  }
  const sync = args.get('x-posthorn-sync');
  if (sync) found.push(['posthorn.sync', fieldText(sync)!, 'x-posthorn-sync']);
  return found;
}

export interface StreamDeclaration {
  durable: boolean;
  autoDelete: boolean;
  args: FieldTable;
}

/** Compares with what AMQP declared or, for a topic that another protocol made, with its settings. */
export function checkStreamEquivalent(topic: Topic, asked: StreamDeclaration, where: string): void {
  checkField('durable', asked.durable, true, where);
  checkField('auto_delete', asked.autoDelete, false, where);
  if (Object.hasOwn(topic.arguments, 'x-queue-type')) {
    for (const argument of comparedArguments('stream')) {
      checkArgument(argument, asked.args, topic.arguments, where);
    }
    return;
  }
  checkArgument('x-queue-type', asked.args, { 'x-queue-type': 'stream' }, where);
  for (const [setting, value, argument] of settings(asked.args)) {
    const current = topic.config.value(setting);
    if (current === value) continue;
    throw preconditionFailed(
      `inequivalent arg '${argument}' for ${where}: received '${value}' but current is '${current}' (${setting})`,
    );
  }
}

/** Records that a new reader could see. */
export function streamDepth(topic: Topic): number {
  let count = 0;
  for (const { log } of topic.partitions) count += log.committedOffset - log.startOffset;
  return count;
}
