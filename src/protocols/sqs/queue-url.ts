/**
 * Queue URLs and ARNs. They are built from the request, so that whoever gets one can use it from where
 * it is; and read in every form that emulators and SDKs have made of them: `/account/name`,
 * `/queue/region/account/name`, `/queue/name`, with or without a host and a slash at the end, or the
 * bare name.
 *
 * There is one tenant: which account a URL names makes no difference to which queue it is.
 */
import type { Site } from './action.ts';
import { SqsError } from './errors.ts';

export const ACCOUNT = '000000000000';
export const DEFAULT_REGION = 'us-east-1';

const ARN = /^arn:aws[a-z-]*:sqs:[a-z0-9-]*:([^:]*):([^:]+)$/;
const SCHEME = /^https?:\/\/[^/?#]+/i;
const NAME = /^[A-Za-z0-9_.-]+$/;

export function queueUrl(site: Site, name: string): string {
  return `${site.baseUrl}/${site.account}/${name}`;
}

export function queueArn(site: Site, name: string): string {
  return `arn:aws:sqs:${site.region}:${site.account}:${name}`;
}

/** Null when it is no ARN of a queue. */
export function queueNameOfArn(arn: string): string | null {
  return ARN.exec(arn)?.[2] ?? null;
}

/** Of URLs that were read: clients say the same ones with every request. */
const NAMES = new Map<string, string>();
const NAMES_MAX = 1000;
const REMEMBERED_LENGTH_MAX = 300;

/** Throws SqsError: InvalidAddress, or QueueDoesNotExist for a host alone, as AWS does. */
export function queueNameOfUrl(url: string): string {
  const known = NAMES.get(url);
  if (known !== undefined) return known;
  const path = url.replace(SCHEME, '');
  const name = queueNameOfPath(path);
  if (name === null) {
    if (path === '' && url !== '') throw new SqsError('QueueDoesNotExist');
    throw new SqsError('InvalidAddress', `The address ${url} is not valid for this endpoint.`);
  }
  if (NAMES.size >= NAMES_MAX) NAMES.clear();
  if (url.length <= REMEMBERED_LENGTH_MAX) NAMES.set(url, name);
  return name;
}

/** Null when it names no queue, as `/` does. */
export function queueNameOfPath(path: string): string | null {
  const parts = path.split('/');
  if (parts[0] === '') parts.shift();
  if (parts.at(-1) === '') parts.pop();
  const { length } = parts;
  const known = length === 1 || length === 2 || (length === 4 && parts[0] === 'queue');
  const name = parts.at(-1);
  return known && name !== undefined && NAME.test(name) ? name : null;
}

/** Of a host such as `sqs.eu-west-1.amazonaws.com`, `eu-west-1.queue.localhost`; null = none. */
export function regionOfHost(host: string): string | null {
  const found = /^(?:sqs\.([a-z0-9-]+)\.|([a-z0-9-]+)\.queue\.)/.exec(host);
  return found === null ? null : (found[1] ?? found[2] ?? null);
}
