/**
 * What a handler gets and how it answers. It never sees HTTP, JSON or XML: its input has the types of
 * the action's shape, its answer is a plain object of the output's shape.
 *
 * A handler returns its answer, or null when it answers later through the call, or throws SqsError or
 * BrokerError. Whether an answer waits for the commit is the action's `commits`, not the handler's
 * business: it answers as soon as all that the answer promises has been appended.
 */
import type { Identity, Permission } from '#core/authenticator.ts';
import type { BrokerError } from '#core/errors.ts';
import type { ActionName, Input, Output } from './actions.ts';
import type { SqsError } from './errors.ts';
import type { SqsNode } from './node.ts';

/** Where a request came in: what URLs and ARNs are built from. */
export interface Site {
  /** 12 digits. */
  readonly account: string;
  readonly region: string;
  /** As the client reaches this node: scheme, host and port, without a slash at the end. */
  readonly baseUrl: string;
}

/** What an answer that comes later holds elsewhere: timers, a place among the waiters. */
export interface Waiting {
  /** Nobody waits for the answer any more: the client has gone. Nothing may be answered then. */
  abandon(): void;
  /** The broker stops: answer now, with what there is. */
  hurry(): void;
}

/** One request in the works. */
export interface Call<A extends ActionName = ActionName> {
  readonly node: SqsNode;
  readonly action: A;
  readonly identity: Identity;
  readonly site: Site;
  /** That `QueueUrl` or `QueueName` names; '' for actions that have neither. The caller has the
   * action's permission on it; whether it exists is the handler's question. */
  readonly queueName: string;
  /** The HTTP header X-Amzn-Trace-Id: the AWSTraceHeader of messages that have none of their own. */
  readonly traceHeader: string | null;
  /** The connection; for whatever wants to know who holds a lease. */
  readonly owner: object;
  /** Set by a handler that returns null. */
  waiting: Waiting | null;
  /** Throws SqsError AccessDenied unless the caller has the permission (by default: the action's). */
  permit(queueName: string, permission?: Permission): void;
  /** Later, once, unless abandoned. */
  answer(output: Output<A>): void;
  refuse(error: SqsError | BrokerError): void;
}

/** Returns the answer, or null: later. */
export type Handler<A extends ActionName> = (call: Call<A>, input: Input<A>) => Output<A> | null;

export type Handlers = { readonly [A in ActionName]: Handler<A> };
