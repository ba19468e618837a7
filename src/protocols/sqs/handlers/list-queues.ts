/** ListQueues and ListDeadLetterSourceQueues: URLs in the order of names, by pages. Queues that the
 * caller may do nothing with are not shown. */
import { Permission } from '#core/authenticator.ts';
import type { Call, Handler } from '../action.ts';
import { invalidValue } from '../errors.ts';
import { queueUrl } from '../queue-url.ts';
import { deadLetterQueueName } from '../redrive-policy.ts';
import type { SqsQueues } from '../sqs-queues.ts';

const PAGE_MAX = 1000;
const PERMISSIONS = [Permission.Read, Permission.Write, Permission.Configure];

interface PageInput {
  readonly NextToken?: string | undefined;
  readonly MaxResults?: number | undefined;
}

export function listQueues(queues: SqsQueues): Handler<'ListQueues'> {
  return (call, input) => {
    const names = queues.names(input.QueueNamePrefix).filter((name) => isShown(call, queues, name));
    const { page, NextToken } = pageOf(names, input);
    return {
      // AWS leaves out a list that is empty.
      QueueUrls: page.length > 0 ? page.map((name) => queueUrl(call.site, name)) : undefined,
      NextToken,
    };
  };
}

export function listDeadLetterSourceQueues(
  queues: SqsQueues,
): Handler<'ListDeadLetterSourceQueues'> {
  return (call, input) => {
    const target = queues.get(call.queueName).queue.name;
    const names = queues.names().filter((name) => {
      const { options } = queues.namespace.queues.get(name)!;
      return deadLetterQueueName(options) === target && isShown(call, queues, name);
    });
    const { page, NextToken } = pageOf(names, input);
    return { queueUrls: page.map((name) => queueUrl(call.site, name)), NextToken };
  };
}

function isShown({ identity }: Call, { namespace }: SqsQueues, name: string): boolean {
  return PERMISSIONS.some((permission) => identity.may(permission, namespace.name, name));
}

/** A token is the last name of the page before it, so pages hold together when queues come and go.
 * Without MaxResults there is one page only, as in AWS. */
function pageOf(
  names: readonly string[],
  { NextToken: token, MaxResults: count }: PageInput,
): { page: readonly string[]; NextToken: string | undefined } {
  if (count !== undefined && (count < 1 || count > PAGE_MAX)) {
    throw invalidValue('MaxResults', count, `Must be between 1 and ${PAGE_MAX}, if provided.`);
  }
  const after = token === undefined ? '' : nameOfToken(token);
  const rest = token === undefined ? names : names.filter((name) => name > after);
  const page = rest.slice(0, count ?? PAGE_MAX);
  const isLast = count === undefined || page.length === rest.length;
  return { page, NextToken: isLast ? undefined : Buffer.from(page.at(-1)!).toString('base64') };
}

function nameOfToken(token: string): string {
  const name = Buffer.from(token, 'base64').toString();
  if (name !== '' && Buffer.from(name).toString('base64') === token) return name;
  throw invalidValue('NextToken', token, 'It is not the token of a page.');
}
