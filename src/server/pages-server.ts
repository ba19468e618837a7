/** What answers on the port where a protocol shows its pages, and takes WebSockets. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Protocol } from '#protocols/contract.ts';
import type { Logger } from './log.ts';
import type { WebSockets } from './web-sockets.ts';

const TEXT = 'text/plain; charset=utf-8';
const WRONG_METHOD = { status: 405, contentType: TEXT, body: 'GET or HEAD only\n' };
const NO_PAGE = { status: 404, contentType: TEXT, body: 'no such page\n' };

/** Node's HTTP is loaded with the first request. */
export async function pagesServer(
  protocol: Protocol,
  webSockets: WebSockets,
  logger: Logger,
): Promise<Server> {
  const http = await import('node:http');
  const server = http.createServer((request, response) => {
    try {
      answer(protocol, request, response);
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

function answer(protocol: Protocol, request: IncomingMessage, response: ServerResponse): void {
  const { method } = request;
  const isRead = method === 'GET' || method === 'HEAD';
  const page = isRead ? (pageOf(protocol, request.url ?? '/') ?? NO_PAGE) : WRONG_METHOD;
  if (!isRead) response.setHeader('allow', 'GET, HEAD');
  response.writeHead(page.status, {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.body),
    'cache-control': 'no-store',
  });
  // Node sends no body to a HEAD.
  response.end(page.body);
}

function pageOf(protocol: Protocol, target: string) {
  const url = URL.parse(target, 'http://host');
  return url === null ? null : (protocol.page?.(url.pathname, new Map(url.searchParams)) ?? null);
}
