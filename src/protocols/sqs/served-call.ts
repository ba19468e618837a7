/**
 * ServedCall: one request on its way through a handler, and back in the protocol it came by. An answer
 * that promises something waits for the commit first.
 */
import type { Identity, Permission } from '#core/authenticator.ts';
import type { BrokerError } from '#core/errors.ts';
import type { Call, Site, Waiting } from './action.ts';
import { ACTIONS, type ActionName, type Output } from './actions.ts';
import { asSqsError, SqsError } from './errors.ts';
import { encodeJson, JSON_TYPE } from './json.ts';
import type { SqsNode } from './node.ts';
import { queueArn } from './queue-url.ts';
import { XML_TYPE } from './response.ts';
import { encodeXml, errorXml } from './xml.ts';

export const Codec = { Json: 'json', Query: 'query' } as const;
export type Codec = (typeof Codec)[keyof typeof Codec];

/** Errors of the service model; others are those of the framework that the service is made with. */
const OF_THE_MODEL = 'com.amazonaws.sqs#';
const OF_THE_FRAMEWORK = 'com.amazon.coral.service#';
const FRAMEWORK_ERRORS: ReadonlySet<string> = new Set([
  'InvalidParameterValueException',
  'MissingRequiredParameterException',
  'InvalidActionException',
  'UnknownOperationException',
  'SerializationException',
  'AccessDeniedException',
  'MissingAuthenticationTokenException',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'UnrecognizedClientException',
  'InternalFailure',
  'ServiceUnavailable',
]);

/** Who writes the answers: the connection. */
export interface Answerer {
  /** `call.finish` comes when all that was done until now is committed. */
  awaitCommit(call: ServedCall): void;
  answered(call: ServedCall, status: number, extra: string, body: string): void;
}

/** How the client speaks. */
export interface Manner {
  readonly codec: Codec;
  /** x-amzn-query-mode: it wants the codes of the Query protocol too. */
  readonly queryMode: boolean;
  readonly requestId: string;
}

export interface Caller {
  readonly node: SqsNode;
  readonly identity: Identity;
  readonly site: Site;
  readonly owner: Answerer;
  readonly traceHeader: string | null;
}

export class ServedCall<A extends ActionName = ActionName> implements Call<A> {
  readonly node: SqsNode;
  readonly action: A;
  readonly identity: Identity;
  readonly site: Site;
  readonly owner: Answerer;
  readonly traceHeader: string | null;
  readonly manner: Manner;
  queueName = '';
  waiting: Waiting | null = null;
  /** Answered, or nobody waits for it any more. */
  over = false;
  #output: Output<A> | null = null;

  constructor(action: A, caller: Caller, manner: Manner) {
    this.action = action;
    this.node = caller.node;
    this.identity = caller.identity;
    this.site = caller.site;
    this.owner = caller.owner;
    this.traceHeader = caller.traceHeader;
    this.manner = manner;
  }

  permit(queueName: string, permission: Permission = ACTIONS[this.action].permission): void {
    const { node, identity, action, site } = this;
    const namespace = node.namespace.name;
    const decided = node.policy?.({ identity, action, queueName, site }) ?? null;
    const allowed =
      decided ?? (identity.mayEnter(namespace) && identity.may(permission, namespace, queueName));
    if (allowed) return;
    const called = `sqs:${action.toLowerCase()}`;
    throw new SqsError(
      'AccessDeniedException',
      `User: arn:aws:iam::${site.account}:user/${identity.name} is not authorized to perform: ` +
        `${called} on resource: ${queueArn(site, queueName)}`,
    );
  }

  answer(output: Output<A>): void {
    if (this.over) return;
    this.waiting = null;
    this.#output = output;
    if (ACTIONS[this.action].commits) this.owner.awaitCommit(this);
    else this.finish();
  }

  /** All that the answer promises is safe. */
  finish(): void {
    const output = this.#output!;
    const { codec, requestId } = this.manner;
    const { output: shape } = ACTIONS[this.action];
    const body =
      codec === Codec.Json
        ? encodeJson(output, shape)
        : encodeXml(this.action, output, shape, requestId);
    this.#end(200, '', body);
  }

  refuse(error: SqsError | BrokerError): void {
    if (this.over) return;
    this.waiting = null;
    const refusal = asSqsError(error);
    this.node.metrics.error(refusal.shape);
    const { status, extra, body } = errorAnswer(refusal, this.manner);
    this.#end(status, extra, body);
  }

  #end(status: number, extra: string, body: string): void {
    this.over = true;
    this.owner.answered(this, status, extra, body);
  }

  /** The client has gone. */
  abandon(): void {
    this.over = true;
    const { waiting } = this;
    this.waiting = null;
    waiting?.abandon();
  }
}

export interface ErrorAnswer {
  readonly status: number;
  readonly extra: string;
  readonly body: string;
}

export function errorAnswer(error: SqsError, manner: Manner): ErrorAnswer {
  const { status, shape, isSenders, code, message } = error;
  if (manner.codec === Codec.Query) {
    if (shape === 'UnknownOperationException') {
      return { status: 404, extra: '', body: '<UnknownOperationException/>\n' };
    }
    return { status, extra: '', body: errorXml(error, manner.requestId) };
  }
  const prefix = FRAMEWORK_ERRORS.has(shape) ? OF_THE_FRAMEWORK : OF_THE_MODEL;
  const extra = manner.queryMode
    ? `x-amzn-query-error: ${code};${isSenders ? 'Sender' : 'Receiver'}\r\n`
    : '';
  return { status, extra, body: JSON.stringify({ __type: prefix + shape, message }) };
}

export function contentType({ codec }: Manner): string {
  return codec === Codec.Json ? JSON_TYPE : XML_TYPE;
}
