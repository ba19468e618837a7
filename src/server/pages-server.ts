/** What answers on the port where a protocol shows its pages, and takes WebSockets. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { availableParallelism } from 'node:os';
import type { PageHost, Protocol } from '#protocols/contract.ts';
import type { Binding } from './binding.ts';
import type { Logger } from './log.ts';
import { HANDSHAKE_MS_MAX } from './tls-record.ts';
import type { Tls } from './tls.ts';
import type { WebSockets } from './web-sockets.ts';

const TEXT = 'text/plain; charset=utf-8';
const WRONG_METHOD = { status: 405, contentType: TEXT, body: 'GET or HEAD only\n' };
const NO_PAGE = { status: 404, contentType: TEXT, body: 'no such page\n' };

/** Node's HTTP is loaded with the first request. */
export async function pagesServer(
  protocol: Protocol,
  webSockets: WebSockets,
  { binding, tls }: { binding: Binding; tls: Tls | null },
  logger: Logger,
): Promise<Server> {
  const host: PageHost = {
    host: binding.hosts[0]!,
    port: binding.port,
    tls: tls !== null && tls.isRequired(binding.name),
    cores: availableParallelism(),
    cpuPercent: cpuMeter(),
    handshakeMsMax: HANDSHAKE_MS_MAX,
  };
  const http = await import('node:http');
  const server = http.createServer((request, response) => {
    try {
      answer(protocol, host, request, response);
    } catch (error) {
      logger.error({ err: error, url: request.url }, 'an HTTP request failed');
      response.destroy();
    }
  });
  server.on('upgrade', (request, socket, head) => {
    webSockets.upgrade(request, socket, head).catch((error: unknown) => {
      logger.error({ err: error }, 'a WebSocket could not be taken');
      socket.destroy();
    });
  });
  return server;
}

/** Between one call and the next. */
function cpuMeter(): () => number {
  let atUs = 0;
  let before = { user: 0, system: 0 };
  return () => {
    const nowUs = process.uptime() * 1_000_000;
    const usage = process.cpuUsage();
    const usedUs = usage.user - before.user + usage.system - before.system;
    const percent = (usedUs / Math.max(1, nowUs - atUs)) * 100;
    atUs = nowUs;
    before = usage;
    return percent;
  };
}

function answer(
  protocol: Protocol,
  host: PageHost,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { method } = request;
  const isRead = method === 'GET' || method === 'HEAD';
  const page = isRead ? (pageOf(protocol, host, request.url ?? '/') ?? NO_PAGE) : WRONG_METHOD;
  if (!isRead) response.setHeader('allow', 'GET, HEAD');
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.body),
    'cache-control': 'no-store',
  });
  // Node sends no body to a HEAD.
  response.end(page.body);
}

function pageOf(protocol: Protocol, host: PageHost, target: string) {
  const url = URL.parse(target, 'http://host');
  if (url === null) return null;
  return protocol.page?.(url.pathname, new Map(url.searchParams), host) ?? null;
}
