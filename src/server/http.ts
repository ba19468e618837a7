/**
 * HttpListener: a port that Node's own HTTP answers on, as opposed to a protocol's. It binds like
 * the protocols, and speaks TLS as they do; who answers is given.
 *
 * Node's HTTP weighs 18 MB, a fifth of an idle broker, so it is loaded when the first connection
 * comes, and given that connection as it gives itself every later one.
 */
import type { Server as HttpServer, ServerResponse } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { bind, type Binding, type HostSettings } from './binding.ts';
import type { Traffic } from './socket-link.ts';
import type { Logger } from './log.ts';
import { Refusals } from './refusals.ts';
import { SeldomWarning } from './seldom-warning.ts';
import type { PortName } from './settings.ts';
import type { Tls } from './tls.ts';
import { TLS_HANDSHAKE } from './tls-record.ts';
import { newTotals } from './totals.ts';

/** From connecting, or from one answer, to the end of the next answer: nobody has reason to be slow
 * with short requests, and a byte now and then is no progress. */
const ANSWER_MS_MAX = 10_000;
/** Of those that speak HTTP. */
const CONNECTIONS_MAX = 1_000;

const TOO_MANY = refusal('503 Service Unavailable', 'too many connections');
const PLAIN_TEXT = refusal('400 Bad Request', 'this port requires TLS: use https');

const LATE = refusal('408 Request Timeout', 'the request came too slowly');
const MALFORMED = refusal('400 Bad Request', 'this is no HTTP/1.1 request');
const TOO_LARGE = refusal('431 Request Header Fields Too Large', 'the head is too large');

/** How long one connection may take, and what it had sent when it was answered last. */
interface Patience {
  readonly timer: NodeJS.Timeout;
  answeredAtBytes: number;
  /** Of the request in the works. */
  response: ServerResponse | null;
  isRefused: boolean;
}

interface HttpServices {
  logger: Logger;
  tls: Tls | null;
}

export class HttpListener {
  readonly binding: Binding;
  readonly totals = newTotals();
  readonly #create: (binding: Binding) => Promise<HttpServer>;
  readonly #services: HttpServices;
  readonly #sockets = new Set<Socket>();
  readonly #refusals = new Refusals();
  readonly #warn: SeldomWarning;
  /** Of connections that are closed. */
  readonly #past: Traffic = { receivedBytes: 0, sentBytes: 0, stuck: 0 };
  readonly #patience = new WeakMap<Socket, Patience>();
  /** Open sockets that are no HTTP any more. */
  #upgraded = 0;
  #server: Promise<HttpServer> | null = null;

  private constructor(
    binding: Binding,
    create: (binding: Binding) => Promise<HttpServer>,
    services: HttpServices,
  ) {
    this.binding = binding;
    this.#create = create;
    this.#services = services;
    this.#warn = new SeldomWarning(services.logger);
  }

  /** `create` is called with the first connection; what it makes never listens itself. */
  static async open(
    name: PortName,
    port: number,
    hosts: HostSettings,
    create: (binding: Binding) => Promise<HttpServer>,
    services: HttpServices,
  ): Promise<HttpListener> {
    const early: Socket[] = [];
    let take = (socket: Socket): void => void early.push(socket);
    const accept = (): Server =>
      createServer({ noDelay: true, keepAlive: true, pauseOnConnect: true }, (socket) =>
        take(socket),
      );
    const binding = await bind(name, port, hosts, accept, services.logger);
    const listener = new HttpListener(binding, create, services);
    take = (socket) => listener.#take(socket);
    for (const socket of early) take(socket);
    return listener;
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  get traffic(): Traffic {
    const traffic = { ...this.#past };
    for (const socket of this.#sockets) addTraffic(traffic, socket);
    return traffic;
  }

  close(): void {
    for (const server of this.binding.servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #take(socket: Socket): void {
    if (this.#sockets.size - this.#upgraded >= CONNECTIONS_MAX) {
      this.totals.refused++;
      this.#refusals.tell(socket, TOO_MANY);
      return;
    }
    this.totals.accepted++;
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      addTraffic(this.#past, socket);
    });
    this.#logErrors(socket);
    if (this.#services.tls) this.#decide(socket, this.#services.tls);
    else void this.#serve(socket);
  }

  /** The first byte tells who speaks TLS. */
  #decide(socket: Socket, tls: Tls): void {
    const timer = setTimeout(() => socket.destroy(), ANSWER_MS_MAX);
    socket.once('close', () => clearTimeout(timer));
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      clearTimeout(timer);
      if (chunk[0] === TLS_HANDSHAKE) {
        this.#upgrade(socket, chunk, tls);
      } else if (tls.isRequired(this.binding.name)) {
        this.totals.plainTextRefused++;
        this.#refusals.tell(socket, PLAIN_TEXT);
      } else {
        socket.unshift(chunk);
        void this.#serve(socket);
      }
    });
    socket.resume();
  }

  #upgrade(socket: Socket, begun: Uint8Array, tls: Tls): void {
    tls.upgrade(socket, begun, {
      secured: (secure) => {
        this.totals.secured++;
        this.#logErrors(secure);
        void this.#serve(secure);
      },
      failed: (error) => {
        this.totals.handshakesFailed++;
        const { name: protocol } = this.binding;
        const failed = this.totals.handshakesFailed;
        this.#warn.warn('TLS handshake failed', { protocol, failed, err: error });
      },
    });
  }

  async #serve(socket: Socket): Promise<void> {
    this.#server ??= this.#load();
    const server = await this.#server;
    const timer = setTimeout(() => this.#lose(socket), ANSWER_MS_MAX);
    const answeredAtBytes = socket.bytesRead - socket.readableLength;
    this.#patience.set(socket, { timer, answeredAtBytes, response: null, isRefused: false });
    socket.once('close', () => clearTimeout(timer));
    server.emit('connection', socket);
    socket.resume();
  }

  /** The server never listens, so its own checks of slow requests do not run. */
  async #load(): Promise<HttpServer> {
    const server = await this.#create(this.binding);
    server.on('request', ({ socket }, response) => {
      const patience = this.#patience.get(socket);
      if (patience === undefined) return;
      patience.response = response;
      response.once('finish', () => {
        patience.response = null;
        patience.timer.refresh();
        patience.answeredAtBytes = socket.bytesRead;
      });
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.#refuseRequest(error, socket as Socket);
    });
    // From here on it is no HTTP any more, and whoever has it sees to it.
    server.on('upgrade', ({ socket }) => {
      clearTimeout(this.#patience.get(socket)?.timer);
      this.#upgraded++;
      socket.once('close', () => this.#upgraded--);
    });
    return server;
  }

  /** Nothing came since the last answer, or less than a request. */
  #lose(socket: Socket): void {
    const { answeredAtBytes, response } = this.#patience.get(socket)!;
    if (socket.bytesRead === answeredAtBytes) {
      socket.destroy();
      return;
    }
    this.totals.late++;
    const mayAnswer = socket.writable && !response?.headersSent;
    this.#refusals.tell(socket, mayAnswer ? LATE : undefined);
  }

  /** Once: what comes behind it is read over. */
  #refuseRequest(error: NodeJS.ErrnoException, socket: Socket): void {
    const patience = this.#patience.get(socket);
    if (patience?.isRefused) return;
    if (error.code === 'ECONNRESET' || !socket.writable || !patience) {
      socket.destroy();
      return;
    }
    patience.isRefused = true;
    this.totals.malformed++;
    this.#refusals.tell(socket, error.code === 'HPE_HEADER_OVERFLOW' ? TOO_LARGE : MALFORMED);
  }

  #logErrors(socket: Socket): void {
    const { logger } = this.#services;
    socket.on('error', (error) => {
      this.totals.broken++;
      logger.debug({ err: error }, 'an HTTP connection failed');
    });
  }
}

function addTraffic(traffic: Traffic, socket: Socket): void {
  traffic.receivedBytes += socket.bytesRead;
  traffic.sentBytes += socket.bytesWritten;
}

function refusal(status: string, text: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${text.length + 1}\r\n` +
      `Connection: close\r\n\r\n${text}\n`,
  );
}
