/** The handlers of all 23 actions, over one set of state per namespace. */
import type { Namespace } from '#core/namespace.ts';
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

interface State {
  readonly queues: SqsQueues;
  readonly tasks: MoveTasks;
}

/** However many listeners serve a namespace, what is known of its queues is known once. */
const STATES = new WeakMap<Namespace, State>();

function stateOf(node: SqsNode): State {
  const known = STATES.get(node.namespace);
  if (known !== undefined) return known;
  const queues = new SqsQueues(node);
  const state = { queues, tasks: new MoveTasks(node, queues) };
  STATES.set(node.namespace, state);
  return state;
}

/** The first ones of a namespace go on with the tasks that a restart interrupted. */
export function createHandlers(node: SqsNode): Handlers {
  const { queues, tasks } = stateOf(node);
  const sender = new MessageSender(node);
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
