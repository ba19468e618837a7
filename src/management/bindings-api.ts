/**
 * /api/bindings: what is bound to what, for operators.
 *
 *   GET      all bindings, but those of live subscribers
 *   POST     declares one; what it names and is not there is made. 201, or 200 when it was there
 *   DELETE   ends one: the same body. 204, or 404
 *
 * 400: not the form of a binding. 401: who are you (HTTP basic); also to web pages of other machines
 * while nobody else needs to say it. 403: not an administrator. 404: a
 * namespace, or what is to be deleted, is not there. 409: a name is something else. 413, 415: not a
 * small body of JSON; a web page cannot send one without being asked for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Identity } from '#core/authenticator.ts';
import type { Broker } from '#core/broker.ts';
import { BrokerError } from '#core/errors.ts';
import type { BrokerErrorCode } from '#core/errors.ts';
import { isForeignPage } from '#wire/http-origin.ts';
import { declareBinding, deleteBinding, listBindings } from './binding-settings.ts';
import { bindingSchema } from './binding-schema.ts';
import { describeIssues } from './schema-issues.ts';

const BODY_BYTES_MAX = 64 * 1024;
const METHODS = ['GET', 'HEAD', 'POST', 'DELETE'];
const ADMINISTRATOR = 'administrator';

const STATUS: Partial<Record<BrokerErrorCode, number>> = {
  'not-found': 404,
  'already-exists': 409,
  inequivalent: 409,
  'in-use': 409,
  locked: 409,
  'access-refused': 403,
  'limit-exceeded': 409,
};

class HttpError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export async function answerBindings(
  request: IncomingMessage,
  response: ServerResponse,
  broker: Broker,
): Promise<void> {
  try {
    await handle(request, response, broker);
  } catch (error) {
    if (error instanceof HttpError) {
      if (error.status === 401) response.setHeader('www-authenticate', 'Basic realm="posthorn"');
      sendJson(response, error.status, { error: error.message });
    } else if (error instanceof BrokerError) {
      sendJson(response, STATUS[error.code] ?? 400, { error: error.message });
    } else {
      throw error;
    }
  }
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  broker: Broker,
): Promise<void> {
  const method = request.method ?? '';
  if (!METHODS.includes(method)) {
    response.setHeader('allow', METHODS.join(', '));
    throw new HttpError(405, `there are ${METHODS.join(', ')}`);
  }
  const identity = await identityOf(request, broker);
  if (!identity) throw new HttpError(401, 'name and password of a user, as HTTP basic');
  if (!identity.tags.includes(ADMINISTRATOR)) {
    throw new HttpError(403, `user '${identity.name}' has not the tag ${ADMINISTRATOR}`);
  }
  if (method === 'GET' || method === 'HEAD') {
    sendJson(response, 200, listBindings(broker));
    return;
  }
  const result = bindingSchema.safeParse(await readJson(request));
  if (!result.success) {
    throw new HttpError(400, describeIssues(result.error, bindingSchema, 'the body'));
  }
  const isNew = method === 'POST' && declareBinding(broker, result.data);
  const isGone = method === 'DELETE' && deleteBinding(broker, result.data);
  if (method === 'DELETE' && !isGone) throw new HttpError(404, 'there is no such binding');
  await broker.committed();
  if (isGone) response.writeHead(204).end();
  else sendJson(response, isNew ? 201 : 200, result.data);
}

async function identityOf(request: IncomingMessage, broker: Broker): Promise<Identity | null> {
  const loopback = isLoopback(request.socket.remoteAddress ?? '');
  const [scheme, credentials] = (request.headers.authorization ?? '').split(' ');
  if (scheme === '') {
    const { origin = '', host = '', 'sec-fetch-site': fetchSite } = request.headers;
    const isForeign = isForeignPage(origin, fetchSite ?? '', host);
    return isForeign ? null : broker.auth.anonymous(loopback);
  }
  if (scheme!.toLowerCase() !== 'basic' || credentials === undefined) return null;
  const text = Buffer.from(credentials, 'base64').toString();
  const at = text.indexOf(':');
  return at < 0 ? null : broker.auth.check(text.slice(0, at), text.slice(at + 1), loopback);
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(?:::ffff:)?127\./.test(address);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new HttpError(415, 'the body is JSON: content-type application/json');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new HttpError(413, `at most ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (error) {
    throw new HttpError(400, `not JSON: ${(error as SyntaxError).message}`);
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const text = `${JSON.stringify(value, plain)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}

/** Arguments may hold what JSON has no form for. */
function plain(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
