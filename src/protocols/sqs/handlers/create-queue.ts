/** CreateQueue: idempotent, as long as the attributes that are given are those of the queue. */
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Handler } from '../action.ts';
import { SqsError } from '../errors.ts';
import { differing, draftOf, newDraft, setAttributes } from '../queue-attributes.ts';
import { queueUrl } from '../queue-url.ts';
import type { SqsNode } from '../node.ts';
import { withTags } from '../queue-tags.ts';
import type { SqsQueues } from '../sqs-queues.ts';
import { warnOfConditions } from './queue-attributes.ts';

const STANDARD_NAME = /^[A-Za-z0-9_-]{1,80}$/;
const FIFO_NAME = /^[A-Za-z0-9_-]{1,75}\.fifo$/;

export function createQueue(node: SqsNode, queues: SqsQueues): Handler<'CreateQueue'> {
  return (call, { QueueName: name, Attributes: attributes = {}, tags = {} }) => {
    const { site } = call;
    const isFifo = attributes['FifoQueue']?.toLowerCase() === 'true';
    checkName(name, isFifo);
    const context = { namespace: node.namespace, site, name, call };
    const there = queues.find(name);
    if (there === null) {
      const draft = newDraft(isFifo, node.broker.ports.clock.now());
      setAttributes(draft, attributes, context);
      withTags(draft, tags, name);
      warnOfConditions(node, name, attributes['Policy']);
      node.namespace.declareQueue(name, { ...defaultQueueOptions(), ...draft, durable: true });
    } else {
      const different =
        isFifo && !there.isFifo ? 'FifoQueue' : differing(there.queue, attributes, context);
      if (different !== null) {
        throw new SqsError(
          'QueueNameExists',
          `A queue already exists with the same name and a different value for attribute ${different}`,
        );
      }
      const draft = draftOf(there.queue);
      withTags(draft, tags, name);
      if (Object.keys(tags).length > 0) queues.alter(there, draft);
    }
    return { QueueUrl: queueUrl(site, name) };
  };
}

function checkName(name: string, isFifo: boolean): void {
  if ((isFifo ? FIFO_NAME : STANDARD_NAME).test(name)) return;
  throw new SqsError(
    'InvalidParameterValueException',
    isFifo
      ? 'The name of a FIFO queue can only include alphanumeric characters, hyphens, or ' +
          'underscores, must end with .fifo suffix and be 1 to 80 in length'
      : 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length',
  );
}
