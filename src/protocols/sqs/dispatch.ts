/**
 * From an HTTP request to a handler: which protocol it speaks, who sends it, which action it wants of
 * which queue, with what input. Whatever is wrong is thrown as SqsError, which the connection answers.
 */
import type { Identity } from '#core/authenticator.ts';
import { isForeignPage } from '#wire/http-origin.ts';
import { HttpMethod, type HttpRequest } from '#wire/http-request.ts';
import { ACTIONS, type ActionName } from './actions.ts';
import { SqsError } from './errors.ts';
import { decodeJson, JSON_TYPE } from './json.ts';
import type { SqsNode } from './node.ts';
import { decodeQuery, readParameters } from './query.ts';
import { queueNameOfPath, queueNameOfUrl } from './queue-url.ts';
import { Codec, type Manner } from './served-call.ts';

const TARGET = Buffer.from('x-amz-target');
const CONTENT_TYPE = Buffer.from('content-type');
const QUERY_MODE = Buffer.from('x-amzn-query-mode');
const TRACE_ID = Buffer.from('x-amzn-trace-id');
const ORIGIN = Buffer.from('origin');
const FETCH_SITE = Buffer.from('sec-fetch-site');
const TRUE = Buffer.from('true');
const TARGET_PREFIX = 'AmazonSQS.';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const API_VERSION = '2012-11-05';
/** Not on a queue's own URL. */
const NOT_OF_A_QUEUE: ReadonlySet<string> = new Set(['CreateQueue', 'ListQueues']);
const ACTION_NAMES: ReadonlyMap<string, ActionName> = new Map(
  (Object.keys(ACTIONS) as ActionName[]).map((name) => [name, name]),
);

/** The target, taken apart. */
export interface Target {
  readonly path: string;
  readonly query: string;
}

const ROOT: Target = { path: '/', query: '' };
const SLASH = 47;

export function targetOf(request: HttpRequest): Target {
  const { bytes, targetStart, targetEnd } = request;
  if (targetEnd === targetStart + 1 && bytes[targetStart] === SLASH) return ROOT;
  const text = request.bytes.toString('latin1', request.pathStart(), request.targetEnd);
  const question = text.indexOf('?');
  if (question < 0) return { path: text || '/', query: '' };
  return { path: text.slice(0, question) || '/', query: text.slice(question + 1) };
}

export function mannerOf(request: HttpRequest, requestId: string): Manner {
  const isJson = request.find(TARGET) >= 0 || contentTypeOf(request) === JSON_TYPE;
  return {
    codec: isJson ? Codec.Json : Codec.Query,
    queryMode: isJson && request.is(request.find(QUERY_MODE), TRUE),
    requestId,
  };
}

/** Without its parameters. */
function contentTypeOf(request: HttpRequest): string {
  const text = request.text(request.find(CONTENT_TYPE)).toLowerCase();
  const semicolon = text.indexOf(';');
  return semicolon < 0 ? text : text.slice(0, semicolon).trimEnd();
}

export function traceHeaderOf(request: HttpRequest): string | null {
  const field = request.find(TRACE_ID);
  return field < 0 ? null : request.text(field);
}

/** Throws SqsError when nobody who may come in has sent it. */
export function authenticate(
  node: SqsNode,
  request: HttpRequest,
  { path, query }: Target,
  loopback: boolean,
): Identity {
  const anonymous = node.broker.auth.anonymous(loopback);
  if (anonymous === null) return node.signatures.verify(request, path, query, loopback);
  const origin = request.find(ORIGIN);
  const fetchSite = request.find(FETCH_SITE);
  if (origin >= 0 || fetchSite >= 0) refuseForeignPage(request, origin, fetchSite);
  return anonymous;
}

function refuseForeignPage(request: HttpRequest, origin: number, fetchSite: number): void {
  const host = request.text(request.host);
  if (!isForeignPage(request.text(origin), request.text(fetchSite), host)) return;
  const text = 'Without configured users no web page of another machine is answered.';
  throw new SqsError('AccessDeniedException', text);
}

/** What a request asks for. */
export interface Ask {
  readonly action: ActionName;
  readonly input: Record<string, unknown>;
  /** '' when the action is not about one queue that is named. */
  readonly queueName: string;
}

/** Throws SqsError. */
export function readAsk(
  node: SqsNode,
  request: HttpRequest,
  target: Target,
  { codec }: Manner,
): Ask {
  const { action, input } =
    codec === Codec.Json ? readJson(node, request) : readForm(node, request, target);
  const { QueueUrl, QueueName } = input;
  if (typeof QueueUrl === 'string') {
    return { action, input, queueName: queueNameOfUrl(QueueUrl) };
  }
  return { action, input, queueName: typeof QueueName === 'string' ? QueueName : '' };
}

function readJson(node: SqsNode, request: HttpRequest): Omit<Ask, 'queueName'> {
  const action = actionOfTarget(request);
  if (action === undefined || request.method !== HttpMethod.Post) {
    throw new SqsError('UnknownOperationException');
  }
  const body = request.bytes.subarray(request.bodyStart, request.bodyEnd);
  const input = decodeJson(body, ACTIONS[action].input, (name) => {
    node.unknownParameter(action, name);
  });
  return { action, input };
}

/** By the length of the header's value. */
const TARGETS = new Map<number, (readonly [ActionName, Buffer])[]>();
for (const name of ACTION_NAMES.values()) {
  const value = Buffer.from(TARGET_PREFIX + name);
  const ofLength = TARGETS.get(value.length) ?? [];
  TARGETS.set(value.length, [...ofLength, [name, value]]);
}

function actionOfTarget(request: HttpRequest): ActionName | undefined {
  const field = request.find(TARGET);
  if (field < 0) return undefined;
  const start = request.valueStart(field);
  const candidates = TARGETS.get(request.valueEnd(field) - start);
  return candidates?.find(([, value]) => isAt(request.bytes, start, value))?.[0];
}

function isAt(bytes: Uint8Array, start: number, expected: Uint8Array): boolean {
  for (let i = expected.length - 1; i >= 0; i--) {
    if (bytes[start + i] !== expected[i]) return false;
  }
  return true;
}

function readForm(node: SqsNode, request: HttpRequest, target: Target): Omit<Ask, 'queueName'> {
  const parameters = new Map<string, string>();
  readParameters(target.query, parameters);
  if (request.bodyEnd > request.bodyStart) {
    if (contentTypeOf(request) === FORM_TYPE) {
      const { bytes, bodyStart, bodyEnd } = request;
      readParameters(bytes.toString('latin1', bodyStart, bodyEnd), parameters);
    } else if (parameters.has('Action')) {
      throw new SqsError(
        'SerializationException',
        `The body of a Query request is of type ${FORM_TYPE}.`,
      );
    }
  }
  const action = actionOf(parameters, queueNameOfPath(target.path));
  const { input: shape } = ACTIONS[action];
  if ('QueueUrl' in shape.members && !parameters.has('QueueUrl')) {
    if (queueNameOfPath(target.path) !== null) parameters.set('QueueUrl', target.path);
  }
  const input = decodeQuery(parameters, shape, (name) => node.unknownParameter(action, name));
  return { action, input };
}

function actionOf(parameters: ReadonlyMap<string, string>, queue: string | null): ActionName {
  const name = parameters.get('Action');
  if (name === undefined) throw new SqsError('UnknownOperationException');
  const version = parameters.get('Version') ?? API_VERSION;
  if (version !== API_VERSION) {
    throw new SqsError(
      'NoSuchVersion',
      `The requested version ( ${version} ) of service AmazonSQS does not exist`,
    );
  }
  const action = ACTION_NAMES.get(name);
  if (action !== undefined && (queue === null || !NOT_OF_A_QUEUE.has(name))) return action;
  throw new SqsError(
    'InvalidActionException',
    `The action ${name} is not valid for this endpoint.`,
  );
}
