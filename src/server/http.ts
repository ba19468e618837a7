/**
 * The HTTP port: binds like the protocols and hands requests to the management layer. It opens
 * first and closes last, so that whoever watches sees the start and the end.
 *
 * Node's HTTP weighs 18 MB, a fifth of an idle broker, so it is loaded when the first connection
 * comes, and given that connection as it gives itself every later one.
 */
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { answer, type HttpSource } from '#management/http-api.ts';
import { bind, type Binding, type HostSettings } from './binding.ts';
import type { Logger } from './log.ts';

/** Nobody has reason to be slow with three short GETs. */
const IDLE_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 1_000;

export class HttpListener {
  readonly binding: Binding;
  readonly #sockets: Set<Socket>;

  private constructor(binding: Binding, sockets: Set<Socket>) {
    this.binding = binding;
    this.#sockets = sockets;
  }

  static async open(
    port: number,
    hosts: HostSettings,
    source: HttpSource,
    logger: Logger,
  ): Promise<HttpListener> {
    const sockets = new Set<Socket>();
    let loading: Promise<HttpServer> | null = null;
    const take = async (socket: Socket): Promise<void> => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', (error) => logger.debug({ err: error }, 'an HTTP connection failed'));
      loading ??= createHttpServer(source, logger);
      (await loading).emit('connection', socket);
      socket.resume();
    };
    const create = (): Server => {
      const options = { noDelay: true, pauseOnConnect: true };
      const server = createServer(options, (socket) => void take(socket));
      server.maxConnections = CONNECTIONS_MAX;
      return server;
    };
    return new HttpListener(await bind('http', port, hosts, create, logger), sockets);
  }

  close(): void {
    for (const server of this.binding.servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function createHttpServer(source: HttpSource, logger: Logger): Promise<HttpServer> {
  const http = await import('node:http');
  const server = http.createServer((request, response) => {
    answer(request, response, source).catch((error: unknown) => {
      logger.error({ err: error, url: request.url }, 'an HTTP request failed');
      response.destroy();
    });
  });
  // It never listens itself, so its checks of whole requests do not run; this one does.
  server.timeout = IDLE_TIMEOUT_MS;
  return server;
}
