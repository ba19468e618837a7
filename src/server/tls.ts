/**
 * TLS on the ports that also speak plain text: the one file that knows how a socket becomes secure.
 *
 * A peer that begins with a TLS handshake (0x16, which begins no message of any protocol here) is
 * upgraded, also after the protocol has greeted it in plain text, as NATS does. By then its first
 * bytes have been read, so they are put back before the TLS server gets the socket. That server
 * never listens: Node lets it be given connections that others have accepted.
 *
 * Which of its sockets belongs to which of ours, it does not say. Both ends' addresses do: no two
 * open connections share them.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type Server, type TLSSocket } from 'node:tls';
import type { Logger } from './log.ts';
import { usageError } from './refused-start.ts';
import type { PortName, TlsSettings } from './settings.ts';
import { HANDSHAKE_MS_MAX } from './tls-record.ts';

interface Upgrade {
  /** It is paused, and what it has read stays in it until it is read. To end the connection end this
   * one only: Node 26 crashes when the plain socket below is destroyed right before it. */
  secured(socket: TLSSocket): void;
  /** The connection ends by itself. */
  failed(reason: Error): void;
}

export class Tls {
  readonly #settings: TlsSettings;
  readonly #server: Server;
  readonly #upgrades = new Map<string, Upgrade>();

  /** Throws RefusedStart when key and certificates cannot be used. */
  constructor(settings: TlsSettings, logger: Logger) {
    this.#settings = settings;
    this.#server = createServer({
      ...readMaterial(settings, logger),
      requestCert: settings.verifyClient,
      rejectUnauthorized: settings.verifyClient,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      pauseOnConnect: true,
    });
    this.#server.on('secureConnection', (socket) => {
      socket.allowHalfOpen = true;
      this.#take(socket)?.secured(socket);
    });
    this.#server.on('tlsClientError', (error, socket) => {
      // Its addresses may be gone by now. If so, `close` of the plain socket is what ends the wait.
      this.#take(socket)?.failed(error);
      socket.destroy();
    });
  }

  isRequired(port: PortName): boolean {
    const { required } = this.#settings;
    return typeof required === 'boolean' ? required : (required[port] ?? false);
  }

  /** Goes on with the handshake that `begun` begins; one of the two is called, or neither when the
   * socket closes. Whoever reads from `socket` has paused it, and reads no more. */
  upgrade(socket: Socket, begun: Uint8Array, upgrade: Upgrade): void {
    const key = addressesOf(socket);
    this.#upgrades.set(key, upgrade);
    let failure: Error | null = null;
    socket.once('error', (error) => {
      failure = error;
    });
    socket.once('close', () => {
      if (this.#upgrades.get(key) !== upgrade) return;
      this.#upgrades.delete(key);
      upgrade.failed(failure ?? new Error(this.#closedReason));
    });
    const kept = Uint8Array.from(begun);
    // Not inside of the read that has brought them: the socket gets another reader here.
    process.nextTick(() => {
      if (socket.destroyed) return;
      // Half a connection cannot finish a handshake: its end is the end of all.
      socket.allowHalfOpen = false;
      socket.unshift(kept);
      this.#server.emit('connection', socket);
    });
  }

  /** Of a client whose certificate does not convince no more is known. */
  get #closedReason(): string {
    const doubt = this.#settings.verifyClient ? ', or its certificate is not signed by tls.ca' : '';
    return `the peer closed during the handshake${doubt}`;
  }

  #take(socket: Socket): Upgrade | undefined {
    const key = addressesOf(socket);
    const upgrade = this.#upgrades.get(key);
    this.#upgrades.delete(key);
    return upgrade;
  }
}

function addressesOf(socket: Socket): string {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** Reads the files and tries them, so that a bad one stops the start and not the first client. */
function readMaterial(
  settings: TlsSettings,
  logger: Logger,
): { cert: Buffer; key: Buffer; ca?: Buffer } {
  const cert = readFile('cert', settings.cert);
  const key = readFile('key', settings.key);
  const ca = settings.ca === null ? null : readFile('ca', settings.ca);
  const certificate = parse('cert', settings.cert, cert);
  if (ca) parse('ca', settings.ca!, ca);
  const material = ca ? { cert, key, ca } : { cert, key };
  try {
    createSecureContext(material);
  } catch (error) {
    throw usageError(`tls.key ${settings.key}: ${keyFault(key, error as NodeJS.ErrnoException)}`);
  }
  warnOfDates(certificate, settings.cert, logger);
  return material;
}

function readFile(name: keyof TlsSettings, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw usageError(`tls.${name} ${path}: cannot be read (${code})`);
  }
}

function parse(name: keyof TlsSettings, path: string, pem: Buffer): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw usageError(`tls.${name} ${path}: is no certificate in PEM form`);
  }
}

function keyFault(key: Buffer, error: NodeJS.ErrnoException): string {
  if (key.includes('ENCRYPTED')) return 'is encrypted: give the key without a passphrase';
  if (error.code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') {
    return 'belongs to another certificate than tls.cert';
  }
  return `is no private key in PEM form for tls.cert (${error.message})`;
}

/** Clients refuse such a certificate, and say why; other ports and plain text still work. */
function warnOfDates(certificate: X509Certificate, path: string, logger: Logger): void {
  const { validFrom, validTo } = certificate;
  const nowMs = Date.now();
  if (Date.parse(validFrom) > nowMs)
    logger.warn({ cert: path, validFrom }, 'tls.cert is not valid yet');
  if (Date.parse(validTo) < nowMs) logger.warn({ cert: path, validTo }, 'tls.cert has expired');
}
