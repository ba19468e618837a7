/**
 * The HTTP endpoints: health for whoever restarts and routes, metrics for Prometheus, bindings for
 * operators.
 *
 *   GET /healthz/live    200 while the event loop turns
 *   GET /healthz/ready   200 while clients are served, 503 with the reason else
 *   GET /metrics         Prometheus text format
 *   /api/bindings        see bindings-api.ts
 *
 * Listening is the server's business; here are requests and answers only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Broker } from '#core/broker.ts';
import type { MetricsSource } from './metrics.ts';

export interface HttpSource {
  /** Null when ready, else why not, for people. */
  notReady(): string | null;
  /** Null until the broker is open. */
  metrics(): MetricsSource | null;
  broker(): Broker | null;
}

const TEXT = 'text/plain; charset=utf-8';
const BINDINGS = '/api/bindings';
const PATHS = ['/healthz/live', '/healthz/ready', '/metrics', BINDINGS];

export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  source: HttpSource,
): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*$/, '');
  if (!PATHS.includes(path)) {
    send(response, 404, TEXT, `no such path; there are ${PATHS.join(', ')}\n`);
  } else if (path === BINDINGS) {
    await sendBindings(request, response, source);
  } else if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    send(response, 405, TEXT, 'GET or HEAD only\n');
  } else if (path === '/healthz/live') {
    send(response, 200, TEXT, 'live\n');
  } else if (path === '/healthz/ready') {
    const reason = source.notReady();
    send(response, reason === null ? 200 : 503, TEXT, `${reason ?? 'ready'}\n`);
  } else {
    await sendMetrics(response, source.metrics());
  }
}

async function sendBindings(
  request: IncomingMessage,
  response: ServerResponse,
  source: HttpSource,
): Promise<void> {
  const broker = source.broker();
  const reason = broker ? source.notReady() : 'starting';
  if (!broker || reason !== null) {
    send(response, 503, TEXT, `${reason}\n`);
    return;
  }
  const { answerBindings } = await import('./bindings-api.ts');
  await answerBindings(request, response, broker);
}

async function sendMetrics(response: ServerResponse, source: MetricsSource | null): Promise<void> {
  if (!source) {
    send(response, 503, TEXT, 'starting\n');
    return;
  }
  // The library is loaded by the first who asks: most brokers in tests are never asked.
  const { renderMetrics } = await import('./metrics.ts');
  const { contentType, text } = await renderMetrics(source);
  send(response, 200, contentType, text);
}

function send(response: ServerResponse, status: number, contentType: string, text: string): void {
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  // Node sends no body to a HEAD.
  response.end(text);
}
