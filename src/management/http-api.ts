/**
 * The HTTP endpoints: health for whoever restarts and routes, metrics for Prometheus.
 *
 *   GET /healthz/live    200 while the event loop turns
 *   GET /healthz/ready   200 while clients are served, 503 with the reason else
 *   GET /metrics         Prometheus text format
 *
 * Listening is the server's business; here are requests and answers only.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MetricsSource } from './metrics.ts';

export interface HttpSource {
  /** Null when ready, else why not, for people. */
  notReady(): string | null;
  /** Null until the broker is open. */
  metrics(): MetricsSource | null;
}

const TEXT = 'text/plain; charset=utf-8';
const PATHS = ['/healthz/live', '/healthz/ready', '/metrics'];

export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  source: HttpSource,
): Promise<void> {
  const path = (request.url ?? '/').replace(/\?.*$/, '');
  if (!PATHS.includes(path)) {
    send(response, 404, TEXT, `no such path; there are ${PATHS.join(', ')}\n`);
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
