/**
 * AddPermission and RemovePermission: statements of the queue's access policy by their label. The
 * accounts they speak of are written down as they are given; what a policy means here is said in
 * access-policy.ts.
 */
import { checkPolicy, statementsOf } from '../access-policy.ts';
import type { Handler } from '../action.ts';
import { invalidValue, missingParameter, SqsError } from '../errors.ts';
import type { SqsNode } from '../node.ts';
import { draftOf, modifiedNow } from '../queue-attributes.ts';
import { Annotation, type QueueDraft } from '../queue-draft.ts';
import { queueArn } from '../queue-url.ts';
import type { SqsQueues } from '../sqs-queues.ts';

const VERSION = '2008-10-17';
const ACTIONS_MAX = 7;
const LABEL = /^[A-Za-z0-9_-]{1,80}$/;
const ACCOUNT = /^\d{12}$/;
/** What an owner can hand on; everything else stays the owner's. */
const GRANTABLE = new Set([
  '*',
  'ChangeMessageVisibility',
  'DeleteMessage',
  'GetQueueAttributes',
  'GetQueueUrl',
  'ListDeadLetterSourceQueues',
  'PurgeQueue',
  'ReceiveMessage',
  'SendMessage',
]);

export function addPermission(node: SqsNode, queues: SqsQueues): Handler<'AddPermission'> {
  return ({ queueName, site }, { Label: label, AWSAccountIds: accounts, Actions: actions }) => {
    const target = queues.get(queueName);
    checkGrant(label, accounts, actions);
    const arn = queueArn(site, queueName);
    const draft = draftOf(target.queue);
    const policy = policyOf(draft, arn);
    const statements = statementsOf(policy);
    if (statements.some(({ Sid }) => Sid === label)) {
      throw invalidValue('Label', label, 'Already exists.');
    }
    const added = {
      Sid: label,
      Effect: 'Allow',
      Principal: { AWS: oneOrMany(accounts.map((account) => `arn:aws:iam::${account}:root`)) },
      Action: oneOrMany(actions.map((action) => `SQS:${action}`)),
      Resource: arn,
    };
    setPolicy(draft, { ...policy, Statement: [...statements, added] });
    modifiedNow(draft, node.broker.ports.clock.now());
    queues.alter(target, draft);
    return {};
  };
}

export function removePermission(node: SqsNode, queues: SqsQueues): Handler<'RemovePermission'> {
  return ({ queueName, site }, { Label: label }) => {
    const target = queues.get(queueName);
    const draft = draftOf(target.queue);
    const policy = policyOf(draft, queueArn(site, queueName));
    const statements = statementsOf(policy);
    const others = statements.filter(({ Sid }) => Sid !== label);
    if (others.length === statements.length) {
      throw invalidValue('Label', label, "can't find label.");
    }
    setPolicy(draft, { ...policy, Statement: others });
    modifiedNow(draft, node.broker.ports.clock.now());
    queues.alter(target, draft);
    return {};
  };
}

function checkGrant(label: string, accounts: readonly string[], actions: readonly string[]): void {
  if (!LABEL.test(label)) {
    throw invalidValue(
      'Label',
      label,
      'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.',
    );
  }
  if (actions.length === 0) throw missingParameter('Actions');
  if (accounts.length === 0 || !accounts.every((account) => ACCOUNT.test(account))) {
    throw invalidValue('PrincipalId', `[${accounts.join(', ')}]`, 'Unable to verify.');
  }
  if (actions.length > ACTIONS_MAX) {
    throw new SqsError(
      'OverLimit',
      `${actions.length} Actions were found, maximum allowed is ${ACTIONS_MAX}.`,
    );
  }
  const refused = actions.find((action) => !GRANTABLE.has(action));
  if (refused === undefined) return;
  throw invalidValue(
    'ActionName',
    `SQS:${refused}`,
    'Only the queue owner is allowed to invoke this action.',
  );
}

function policyOf({ annotations }: QueueDraft, arn: string): Record<string, unknown> {
  const text = annotations[Annotation.Policy];
  if (text !== undefined) return checkPolicy(text);
  return { Version: VERSION, Id: `${arn}/SQSDefaultPolicy`, Statement: [] };
}

/** One that says nothing any more is taken away. */
function setPolicy({ annotations }: QueueDraft, policy: Record<string, unknown>): void {
  if (statementsOf(policy).length === 0) delete annotations[Annotation.Policy];
  else annotations[Annotation.Policy] = JSON.stringify(policy);
}

function oneOrMany(values: readonly string[]): string | readonly string[] {
  return values.length === 1 ? values[0]! : values;
}
