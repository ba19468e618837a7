/** GetQueueAttributes and SetQueueAttributes. What is set counts at once. */
import { conditionalStatements } from '../access-policy.ts';
import type { Handler } from '../action.ts';
import type { SqsNode } from '../node.ts';
import { draftOf, modifiedNow, readAttributes, setAttributes } from '../queue-attributes.ts';
import type { SqsQueues } from '../sqs-queues.ts';

export function getQueueAttributes(queues: SqsQueues): Handler<'GetQueueAttributes'> {
  return (call, { AttributeNames: names = [] }) => {
    const { queueName: name, site } = call;
    const { queue } = queues.get(name);
    const context = { namespace: queues.namespace, site, name, call };
    const attributes = readAttributes(queue, names, context);
    return { Attributes: Object.keys(attributes).length > 0 ? attributes : undefined };
  };
}

export function setQueueAttributes(
  node: SqsNode,
  queues: SqsQueues,
): Handler<'SetQueueAttributes'> {
  return (call, { Attributes: attributes }) => {
    const { queueName: name, site } = call;
    const target = queues.get(name);
    const draft = draftOf(target.queue);
    setAttributes(draft, attributes, { namespace: queues.namespace, site, name, call });
    modifiedNow(draft, node.broker.ports.clock.now());
    queues.alter(target, draft);
    warnOfConditions(node, name, attributes['Policy']);
    return {};
  };
}

export function warnOfConditions(node: SqsNode, queue: string, policy: string | undefined): void {
  if (policy === undefined || policy === '') return;
  const statements = conditionalStatements(policy);
  if (statements.length === 0) return;
  const text = 'statements with conditions in an access policy of SQS have no effect';
  node.broker.ports.log.warn(text, { queue, statements });
}
