/**
 * WebSockets: connections of a protocol that come as WebSockets over an HTTP port. Each is a link as
 * over a socket of its own, with the same limits and the same backpressure. What goes out in one turn
 * is one binary frame, or a few when it is much; where a frame of the peer ends means nothing.
 *
 * Nothing is compressed: that costs memory per connection and more time than the network saves. Any
 * page may connect, whatever its origin: who it is, it shows in the protocol, not by cookies. But
 * while nobody needs to show who they are, only pages of this machine may.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Protocol } from '#protocols/contract.ts';
import { isForeignPage } from '#wire/http-origin.ts';
import { Links } from './links.ts';
import type { ListenerServices } from './listener.ts';
import { peerOf } from './peer.ts';
import { SocketLink, type Traffic, type Wire } from './socket-link.ts';
import { newTotals } from './totals.ts';

const CloseCode = { Normal: 1000, GoingAway: 1001 } as const;

const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
const FORBIDDEN = 'HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';

interface WebSocketOptions {
  readonly frameBytesMax: number;
  /** Of frames that are not whole, over all connections. */
  readonly arrivingBytesMax: number;
  /** Who comes from this machine may do without credentials. */
  readonly isOpenToAnybody: boolean;
}

export class WebSockets {
  /** Of what is inside of the frames. */
  readonly traffic: Traffic = { receivedBytes: 0, sentBytes: 0, stuck: 0 };
  readonly totals = newTotals();
  readonly #protocol: Protocol;
  readonly #services: ListenerServices;
  readonly #options: WebSocketOptions;
  readonly #links = new Links();
  readonly #arriving = new Set<Arriving>();
  #server: Promise<WebSocketServer> | null = null;
  #isLeaving = false;

  constructor(protocol: Protocol, services: ListenerServices, options: WebSocketOptions) {
    this.#protocol = protocol;
    this.#services = services;
    this.#options = options;
  }

  get connectionCount(): number {
    return this.#links.size;
  }

  tick(nowMs: number): void {
    this.#links.tick(nowMs);
    this.#boundArriving();
  }

  step(byMs: number): void {
    this.#links.step(byMs);
  }

  /** The library gathers a frame before it gives any of it away, so what is arriving in all of them is
   * bounded here: the largest goes first. */
  #boundArriving(): void {
    let sum = 0;
    for (const it of this.#arriving) sum += arrivingBytes(it);
    if (sum <= this.#options.arrivingBytesMax) return;
    const largestFirst = [...this.#arriving].toSorted(
      (a, b) => arrivingBytes(b) - arrivingBytes(a),
    );
    for (const it of largestFirst) {
      if (sum <= this.#options.arrivingBytesMax) break;
      sum -= arrivingBytes(it);
      this.totals.late++;
      it.webSocket.terminate();
    }
  }

  stopAccepting(): void {
    this.#isLeaving = true;
  }

  drain(): Promise<void> {
    return this.#links.drain();
  }

  destroy(): void {
    this.#links.destroy();
  }

  /** A request to upgrade, as an HTTP server gives it. */
  readonly upgrade = async (
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): Promise<void> => {
    const { limit } = this.#services;
    if (this.#isLeaving || limit.open >= limit.max) {
      this.totals.refused++;
      socket.end(UNAVAILABLE);
      return;
    }
    if (this.#options.isOpenToAnybody && isForeign(request)) {
      this.totals.refused++;
      socket.end(FORBIDDEN);
      return;
    }
    // The place is taken before the library is loaded: others come meanwhile.
    limit.open++;
    let isOpen = true;
    socket.once('close', () => {
      limit.open--;
      isOpen = false;
    });
    this.#server ??= this.#load();
    const server = await this.#server;
    if (!isOpen) return;
    server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#take(webSocket, request.socket);
    });
  };

  async #load(): Promise<WebSocketServer> {
    const { WebSocketServer } = await import('ws');
    return new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: this.#options.frameBytesMax,
      clientTracking: false,
    });
  }

  #take(webSocket: WebSocket, socket: Socket): void {
    const peer = peerOf(socket, 'none');
    if (!peer) {
      webSocket.terminate();
      return;
    }
    const wire = new WebSocketWire(webSocket, socket, () => this.#isLeaving);
    const link = new SocketLink(wire, this.#services, this.traffic, this.#protocol.stuckMsMax);
    link.secured = 'encrypted' in socket;
    this.totals.accepted++;
    if (link.secured) this.totals.secured++;
    this.#links.add(link);
    const arriving = { webSocket, socket, readBytes: socket.bytesRead };
    this.#arriving.add(arriving);
    webSocket.on('message', (data) => {
      arriving.readBytes = socket.bytesRead;
      const { buffer, byteOffset, length } = data as Buffer;
      link.receive(new Uint8Array(buffer, byteOffset, length));
    });
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('WS_ERR_')) this.totals.malformed++;
      else this.totals.broken++;
      const { logger } = this.#services;
      logger.debug({ err: error, protocol: 'nats-http', peer }, 'a WebSocket failed');
    });
    webSocket.on('close', () => {
      this.#arriving.delete(arriving);
      this.#links.remove(link);
    });
    link.attach(this.#protocol.accept(link, { ...peer, transport: 'websocket' }));
  }
}

/** Read since the last whole frame; with what frames add to it. */
function arrivingBytes({ socket, readBytes }: Arriving): number {
  return socket.bytesRead - readBytes;
}

function isForeign({ headers }: IncomingMessage): boolean {
  const { origin = '', host = '', 'sec-fetch-site': fetchSite } = headers;
  return isForeignPage(origin, fetchSite ?? '', host);
}

interface Arriving {
  readonly webSocket: WebSocket;
  readonly socket: Socket;
  /** Of the socket, when the last frame was whole. */
  readBytes: number;
}

/** A WebSocket as a link writes to it. */
class WebSocketWire implements Wire {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #isLeaving: () => boolean;

  constructor(webSocket: WebSocket, socket: Socket, isLeaving: () => boolean) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#isLeaving = isLeaving;
  }

  get writableLength(): number {
    return this.#webSocket.bufferedAmount;
  }

  get destroyed(): boolean {
    return this.#webSocket.readyState !== this.#webSocket.OPEN;
  }

  write(bytes: Uint8Array, written?: () => void): void {
    this.#webSocket.send(bytes, written);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  end(): void {
    this.#webSocket.close(this.#isLeaving() ? CloseCode.GoingAway : CloseCode.Normal);
  }

  destroy(): void {
    this.#webSocket.terminate();
  }
}
