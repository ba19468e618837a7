/**
 * Listener: the open connections of one protocol, on all addresses it is bound to.
 *
 * A socket is accepted paused, joined to a connection of the protocol by a SocketLink, and read
 * from then on. What ends it, whichever side, arrives as the socket's `close`, where the connection
 * hears that the peer is gone and the link is forgotten.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Logger } from './log.ts';
import {
  CloseReason,
  type Connection,
  type Peer,
  type Protocol,
  Refusal,
} from '#protocols/contract.ts';
import { bind, type Binding, type HostSettings } from './binding.ts';
import type { PortName } from './settings.ts';
import { type Gate, SocketLink, type Traffic } from './socket-link.ts';
import { peerOf } from './peer.ts';
import { Refusals } from './refusals.ts';
import { SeldomWarning } from './seldom-warning.ts';
import { readInto } from './socket-reading.ts';
import type { Faults } from './faults.ts';
import { Links } from './links.ts';
import type { Tls } from './tls.ts';
import { newTotals } from './totals.ts';
import type { Turn } from './turn.ts';

const KEEP_ALIVE_MS = 60_000;
/** Connections over the limit that are told so in a handshake, at the same time, and how long it may
 * take; in a flood the rest is closed without a word. */
const TURNED_AWAY_MAX = 100;
const TURN_AWAY_MS_MAX = 3_000;

/** Shared by all listeners. */
interface ConnectionLimit {
  open: number;
  max: number;
}

export interface ListenerServices {
  turn: Turn;
  faults: Faults;
  logger: Logger;
  limit: ConnectionLimit;
  /** Null: plain text only. */
  tls: Tls | null;
}

export class Listener {
  readonly binding: Binding;
  readonly traffic: Traffic = { receivedBytes: 0, sentBytes: 0, stuck: 0 };
  readonly totals = newTotals();
  readonly protocol: Protocol;
  readonly #services: ListenerServices;
  readonly #links = new Links();
  /** Over the limit, and not counted for it. */
  readonly #turnedAway = new Links();
  readonly #refusals = new Refusals();
  readonly #warn: SeldomWarning;

  private constructor(binding: Binding, protocol: Protocol, services: ListenerServices) {
    this.binding = binding;
    this.protocol = protocol;
    this.#services = services;
    this.#warn = new SeldomWarning(services.logger);
  }

  /** Binds, then makes the protocol, which is told its port. Sockets that come in between wait. */
  static async open(
    name: PortName,
    port: number,
    hosts: HostSettings,
    createProtocol: (address: { host: string; port: number }) => Protocol,
    services: ListenerServices,
  ): Promise<Listener> {
    const early: Socket[] = [];
    let take = (socket: Socket): void => void early.push(socket);
    const create = (): Server => {
      const options = {
        allowHalfOpen: true,
        pauseOnConnect: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_MS,
      };
      return createServer(options, (socket) => take(socket));
    };
    const binding = await bind(name, port, hosts, create, services.logger);
    const protocol = createProtocol({ host: binding.hosts[0]!, port: binding.port });
    const listener = new Listener(binding, protocol, services);
    take = (socket) => listener.#accept(socket);
    for (const socket of early) take(socket);
    return listener;
  }

  get connectionCount(): number {
    return this.#links.size;
  }

  tick(nowMs: number): void {
    this.#links.tick(nowMs);
    this.#turnedAway.tick(nowMs);
  }

  step(byMs: number): void {
    this.#links.step(byMs);
  }

  /** No further connections; those that are open stay. */
  stopAccepting(): void {
    for (const server of this.binding.servers) server.close();
  }

  /** Asks every connection to take its leave; resolves when all are gone. */
  drain(): Promise<void> {
    this.#turnedAway.destroy();
    return this.#links.drain();
  }

  /** Ends what has not taken its leave. */
  destroy(): void {
    this.#links.destroy();
    this.#turnedAway.destroy();
  }

  #accept(socket: Socket): void {
    const { limit } = this.#services;
    const peer = peerOf(socket, this.#tlsOffer);
    if (!peer) {
      // Reset before we came to it.
      socket.destroy();
    } else if (limit.open >= limit.max) {
      this.#refuse(socket, peer);
    } else {
      limit.open++;
      this.totals.accepted++;
      socket.on('close', () => limit.open--);
      this.#join(socket, peer, this.#links, (link) => this.protocol.accept(link, peer));
    }
  }

  #join(socket: Socket, peer: Peer, links: Links, connect: (link: SocketLink) => Connection): void {
    const { tls } = this.#services;
    const link = new SocketLink(socket, this.#services, this.traffic, this.protocol.stuckMsMax);
    if (tls) link.gate = this.#createGate(tls, socket, link, peer);
    links.add(link);
    this.#listen(socket, link, peer);
    socket.on('close', () => links.remove(link));
    readInto(socket, link.receive);
    link.attach(connect(link));
  }

  /** Events of the plain socket, and of the secure one over it; `close` comes once, from the first. */
  #listen(socket: Socket, link: SocketLink, peer: Peer): void {
    socket.on('error', (error) => {
      this.totals.broken++;
      const { logger } = this.#services;
      logger.debug({ err: error, protocol: this.binding.name, peer }, 'connection failed');
      // `close` comes at the end of the turn: until then it would still be given messages.
      link.close(CloseReason.Gone);
    });
    socket.on('end', () => {
      link.close(CloseReason.Gone);
      link.end();
    });
  }

  #refuse(socket: Socket, peer: Peer): void {
    const { protocol } = this;
    this.totals.refused++;
    if (protocol.turnAway && this.#turnedAway.size < TURNED_AWAY_MAX) {
      const timer = setTimeout(() => socket.destroy(), TURN_AWAY_MS_MAX);
      socket.on('close', () => clearTimeout(timer));
      this.#join(socket, peer, this.#turnedAway, (link) => protocol.turnAway!(link, peer));
    } else this.#refusals.tell(socket, protocol.refuse?.(Refusal.Connections));
    this.#warn.warn('connection refused: as many are open as limits.connectionsMax allows', {
      protocol: this.binding.name,
      refused: this.totals.refused,
      limit: this.#services.limit.max,
    });
  }

  get #tlsOffer(): Peer['tls'] {
    const { tls } = this.#services;
    if (!tls) return 'none';
    return tls.isRequired(this.binding.name) ? 'required' : 'available';
  }

  #createGate(tls: Tls, socket: Socket, link: SocketLink, peer: Peer): Gate {
    const { name } = this.binding;
    return {
      requiresTls: peer.tls === 'required',
      upgrade: (begun) => {
        tls.upgrade(socket, begun, {
          secured: (secure) => {
            this.totals.secured++;
            this.#listen(secure, link, peer);
            link.secure(secure);
          },
          failed: (error) => {
            this.totals.handshakesFailed++;
            const failed = this.totals.handshakesFailed;
            this.#warn.warn('TLS handshake failed', { protocol: name, peer, failed, err: error });
          },
        });
      },
      refusePlainText: () => {
        this.totals.plainTextRefused++;
        const refused = this.totals.plainTextRefused;
        this.#warn.warn('plain text refused: tls.required', { protocol: name, refused });
        const bytes = this.protocol.refuse?.(Refusal.PlainText);
        if (bytes) link.output.append(bytes);
        link.close(CloseReason.Gone);
        link.end();
      },
    };
  }
}
