/** TagQueue, UntagQueue, ListQueueTags. */
import type { Handler } from '../action.ts';
import { missingParameter, SqsError } from '../errors.ts';
import { draftOf } from '../queue-attributes.ts';
import { tagsOf, withoutTags, withTags } from '../queue-tags.ts';
import type { SqsQueues } from '../sqs-queues.ts';

export function tagQueue(queues: SqsQueues): Handler<'TagQueue'> {
  return ({ queueName }, { Tags: tags }) => {
    const target = queues.get(queueName);
    if (Object.keys(tags).length === 0) throw missingParameter('Tags');
    const draft = draftOf(target.queue);
    withTags(draft, tags, queueName);
    queues.alter(target, draft);
    return {};
  };
}

export function untagQueue(queues: SqsQueues): Handler<'UntagQueue'> {
  return ({ queueName }, { TagKeys: keys }) => {
    const target = queues.get(queueName);
    if (keys.length === 0) {
      throw new SqsError(
        'InvalidParameterValueException',
        'Tag keys must be between 1 and 128 characters in length.',
      );
    }
    const draft = draftOf(target.queue);
    withoutTags(draft, keys);
    queues.alter(target, draft);
    return {};
  };
}

export function listQueueTags(queues: SqsQueues): Handler<'ListQueueTags'> {
  return ({ queueName }) => {
    const tags = tagsOf(queues.get(queueName).queue.options.annotations);
    return { Tags: Object.keys(tags).length > 0 ? tags : undefined };
  };
}
