/** The handlers of all 23 actions, over one set of state. */
import type { Handlers } from '../action.ts';
import { MessageSender } from '../message-sender.ts';
import { MoveTasks } from '../move-tasks.ts';
import type { SqsNode } from '../node.ts';
import { queueArn } from '../queue-url.ts';
import { SqsQueues } from '../sqs-queues.ts';
import {
  changeMessageVisibility,
  changeMessageVisibilityBatch,
} from './change-message-visibility.ts';
import { createQueue } from './create-queue.ts';
import { deleteMessage, deleteMessageBatch } from './delete-message.ts';
import { deleteQueue } from './delete-queue.ts';
import { getQueueUrl } from './get-queue-url.ts';
import { listDeadLetterSourceQueues, listQueues } from './list-queues.ts';
import {
  cancelMessageMoveTask,
  listMessageMoveTasks,
  startMessageMoveTask,
} from './message-move-tasks.ts';
import { addPermission, removePermission } from './permissions.ts';
import { purgeQueue } from './purge-queue.ts';
import { getQueueAttributes, setQueueAttributes } from './queue-attributes.ts';
import { listQueueTags, tagQueue, untagQueue } from './queue-tags.ts';
import { receiveMessage } from './receive-message.ts';
import { sendMessage, sendMessageBatch } from './send-message.ts';

/** Once per node: tasks that a restart interrupted go on. */
export function createHandlers(node: SqsNode): Handlers {
  const queues = new SqsQueues(node);
  const sender = new MessageSender(node);
  const tasks = new MoveTasks(node, queues);
  node.policy = ({ identity, action, queueName, site }) => {
    // Who administers the broker is its account's root: no policy binds it.
    if (identity.tags.includes('administrator')) return null;
    const policy = queues.find(queueName)?.policy ?? null;
    if (policy === null) return null;
    const { account } = site;
    const arn = queueArn(site, queueName);
    return policy.decides({ user: identity.name, action, account, queueArn: arn });
  };
  return {
    AddPermission: addPermission(node, queues),
    CancelMessageMoveTask: cancelMessageMoveTask(queues, tasks),
    ChangeMessageVisibility: changeMessageVisibility(node, queues),
    ChangeMessageVisibilityBatch: changeMessageVisibilityBatch(node, queues),
    CreateQueue: createQueue(node, queues),
    DeleteMessage: deleteMessage(node, queues),
    DeleteMessageBatch: deleteMessageBatch(node, queues),
    DeleteQueue: deleteQueue(node, queues),
    GetQueueAttributes: getQueueAttributes(queues),
    GetQueueUrl: getQueueUrl(queues),
    ListDeadLetterSourceQueues: listDeadLetterSourceQueues(queues),
    ListMessageMoveTasks: listMessageMoveTasks(queues, tasks),
    ListQueueTags: listQueueTags(queues),
    ListQueues: listQueues(queues),
    PurgeQueue: purgeQueue(node, queues),
    ReceiveMessage: receiveMessage(node, queues),
    RemovePermission: removePermission(node, queues),
    SendMessage: sendMessage(node, queues, sender),
    SendMessageBatch: sendMessageBatch(node, queues, sender),
    SetQueueAttributes: setQueueAttributes(node, queues),
    StartMessageMoveTask: startMessageMoveTask(queues, tasks),
    TagQueue: tagQueue(queues),
    UntagQueue: untagQueue(queues),
  };
}
