/** GetQueueUrl. There is one account, and it owns every queue. */
import type { Handler } from '../action.ts';
import { SqsError } from '../errors.ts';
import { queueUrl } from '../queue-url.ts';
import type { SqsQueues } from '../sqs-queues.ts';

export function getQueueUrl(queues: SqsQueues): Handler<'GetQueueUrl'> {
  return ({ site }, { QueueName, QueueOwnerAWSAccountId: account = site.account }) => {
    if (account !== site.account) throw new SqsError('QueueDoesNotExist');
    return { QueueUrl: queueUrl(site, queues.get(QueueName).queue.name) };
  };
}
