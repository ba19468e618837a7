/**
 * HttpListener: a port that Node's own HTTP answers on, as opposed to a protocol's. It binds like
 * the protocols; who answers is given.
 *
 * Node's HTTP weighs 18 MB, a fifth of an idle broker, so it is loaded when the first connection
 * comes, and given that connection as it gives itself every later one.
 */
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { bind, type Binding, type HostSettings } from './binding.ts';
import type { Logger } from './log.ts';
import type { PortName } from './settings.ts';

/** Nobody has reason to be slow with short requests. */
const IDLE_TIMEOUT_MS = 10_000;
const CONNECTIONS_MAX = 1_000;

export class HttpListener {
  readonly binding: Binding;
  readonly #sockets: Set<Socket>;

  private constructor(binding: Binding, sockets: Set<Socket>) {
    this.binding = binding;
    this.#sockets = sockets;
  }

  /** `create` is called with the first connection; what it makes never listens itself. */
  static async open(
    name: PortName,
    port: number,
    hosts: HostSettings,
    create: () => Promise<HttpServer>,
    logger: Logger,
  ): Promise<HttpListener> {
    const sockets = new Set<Socket>();
    let loading: Promise<HttpServer> | null = null;
    const load = async (): Promise<HttpServer> => {
      const server = await create();
      // It never listens, so its checks of whole requests do not run; this one does.
      server.timeout = IDLE_TIMEOUT_MS;
      return server;
    };
    const take = async (socket: Socket): Promise<void> => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', (error) => logger.debug({ err: error }, 'an HTTP connection failed'));
      loading ??= load();
      (await loading).emit('connection', socket);
      socket.resume();
    };
    const accept = (): Server => {
      const options = { noDelay: true, pauseOnConnect: true };
      const server = createServer(options, (socket) => void take(socket));
      server.maxConnections = CONNECTIONS_MAX;
      return server;
    };
    return new HttpListener(await bind(name, port, hosts, accept, logger), sockets);
  }

  close(): void {
    for (const server of this.binding.servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
