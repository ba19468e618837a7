/** StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks. */
import { Permission } from '#core/authenticator.ts';
import type { Call, Handler } from '../action.ts';
import type { MoveTaskEntry } from '../actions.ts';
import { invalidValue, SqsError } from '../errors.ts';
import type { MoveTask, MoveTasks } from '../move-tasks.ts';
import { queueArn, queueNameOfArn } from '../queue-url.ts';
import { deadLetterQueueName } from '../redrive-policy.ts';
import type { SqsQueue, SqsQueues } from '../sqs-queues.ts';

const PER_SECOND_MAX = 500;
const RESULTS_MAX = 10;

function refusal(message: string): SqsError {
  return new SqsError('InvalidParameterValueException', message);
}

export function startMessageMoveTask(
  queues: SqsQueues,
  tasks: MoveTasks,
): Handler<'StartMessageMoveTask'> {
  return (call, input) => {
    const { SourceArn, DestinationArn, MaxNumberOfMessagesPerSecond: perSecond } = input;
    const source = queueOfArn(call, queues, 'SourceArn', SourceArn);
    const sources = sourcesOf(queues, source.queue.name);
    if (sources.length === 0) {
      throw refusal('Source queue must be configured as a Dead Letter Queue.');
    }
    const destination = destinationOf(call, queues, source, DestinationArn);
    if (destination === null) {
      for (const name of sources) call.permit(name, Permission.Write);
    }
    if (perSecond !== undefined && (perSecond < 1 || perSecond > PER_SECOND_MAX)) {
      const reason = `Must be between 1 and ${PER_SECOND_MAX}, if provided.`;
      throw invalidValue('MaxNumberOfMessagesPerSecond', perSecond, reason);
    }
    if (tasks.isActive(source)) {
      throw refusal(
        'There is already a task running. Only one active task is allowed for a source queue arn at ' +
          'a given time.',
      );
    }
    const task = tasks.start(source, destination, perSecond ?? null);
    return { TaskHandle: taskHandle(call, source, task) };
  };
}

export function cancelMessageMoveTask(
  queues: SqsQueues,
  tasks: MoveTasks,
): Handler<'CancelMessageMoveTask'> {
  return (call, { TaskHandle }) => {
    const { taskId, sourceArn } = readTaskHandle(TaskHandle);
    const source = queueOfArn(call, queues, 'SourceArn', sourceArn);
    const task = tasks.of(source).find(({ id }) => id === taskId);
    if (task === undefined) {
      throw new SqsError('ResourceNotFoundException', 'Task does not exist.');
    }
    if (task.status !== 'RUNNING') throw refusal('Only active tasks can be cancelled.');
    tasks.cancel(source);
    return { ApproximateNumberOfMessagesMoved: task.moved };
  };
}

export function listMessageMoveTasks(
  queues: SqsQueues,
  tasks: MoveTasks,
): Handler<'ListMessageMoveTasks'> {
  return (call, { SourceArn, MaxResults: count = 1 }) => {
    if (count < 1 || count > RESULTS_MAX) {
      const reason = `Must be between 1 and ${RESULTS_MAX}, if provided.`;
      throw invalidValue('MaxResults', count, reason);
    }
    const source = queueOfArn(call, queues, 'SourceArn', SourceArn);
    const latest = tasks.of(source).slice(0, count);
    return { Results: latest.map((task) => entryOf(call, source, task)) };
  };
}

function queueOfArn(call: Call, queues: SqsQueues, parameter: string, arn: string): SqsQueue {
  const name = queueNameOfArn(arn);
  if (name === null) {
    throw refusal(
      `You must use this format to specify the ${parameter}: ` +
        'arn:<partition>:<service>:<region>:<account-id>:<resource-id>',
    );
  }
  call.permit(name);
  const found = queues.find(name);
  if (found !== null) return found;
  throw new SqsError(
    'ResourceNotFoundException',
    `The resource that you specified for the ${parameter} parameter doesn't exist.`,
  );
}

/** Names of the queues whose dead letters go there. */
function sourcesOf({ namespace }: SqsQueues, target: string): string[] {
  const names: string[] = [];
  for (const [name, { options }] of namespace.queues) {
    if (deadLetterQueueName(options) === target) names.push(name);
  }
  return names;
}

function destinationOf(
  call: Call,
  queues: SqsQueues,
  source: SqsQueue,
  arn: string | undefined,
): string | null {
  if (arn === undefined) return null;
  const destination = queueOfArn(call, queues, 'DestinationArn', arn);
  const { name } = destination.queue;
  call.permit(name, Permission.Write);
  if (destination === source) {
    throw refusal('Source queue arn and destination queue arn cannot be the same.');
  }
  if (destination.isFifo !== source.isFifo) {
    throw refusal('Destination queue must be same type of queue as the source.');
  }
  return name;
}

/** What CancelMessageMoveTask takes: base64 of JSON, as AWS's is. */
function taskHandle({ site }: Call, source: SqsQueue, { id }: MoveTask): string {
  const sourceArn = queueArn(site, source.queue.name);
  return Buffer.from(JSON.stringify({ taskId: id, sourceArn })).toString('base64');
}

function readTaskHandle(handle: string): { taskId: string; sourceArn: string } {
  try {
    const found: unknown = JSON.parse(Buffer.from(handle, 'base64').toString());
    if (typeof found === 'object' && found !== null) {
      const { taskId, sourceArn } = found as Record<string, unknown>;
      if (typeof taskId === 'string' && typeof sourceArn === 'string') return { taskId, sourceArn };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw refusal('Value for parameter TaskHandle is invalid.');
}

function entryOf(call: Call, source: SqsQueue, task: MoveTask): MoveTaskEntry {
  const { destination, perSecond, status, failure } = task;
  return {
    TaskHandle: status === 'RUNNING' ? taskHandle(call, source, task) : undefined,
    Status: status,
    SourceArn: queueArn(call.site, source.queue.name),
    DestinationArn: destination === null ? undefined : queueArn(call.site, destination),
    MaxNumberOfMessagesPerSecond: perSecond ?? undefined,
    ApproximateNumberOfMessagesMoved: task.moved,
    ApproximateNumberOfMessagesToMove: task.toMove,
    FailureReason: failure ?? undefined,
    StartedTimestamp: task.startedMs,
  };
}
