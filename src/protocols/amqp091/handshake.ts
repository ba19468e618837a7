/**
 * The methods of channel 0: protocol header, start, tune, open, close, update-secret.
 *
 *   client: "AMQP" 0 0 9 1 (or 1 1 0 9, which is 0-9)      server: start
 *   client: start-ok (mechanism, response)                 server: tune
 *   client: tune-ok, open (vhost)                          server: open-ok
 *
 * Any other header is answered with the one we support, and the connection ends (4.2.2).
 */
import { BrokerError } from '#core/errors.ts';
import { Failure } from '#core/metrics.ts';
import type { AmqpConnection } from './connection.ts';
import { ConnectionState } from './connection-state.ts';
import { FRAME_BYTES_MIN, Method, ReplyCode, type MethodReader } from './codec.ts';
import { AmqpError } from './errors.ts';
import { decodeTable, encodeTable, fieldText, type FieldTable } from './field-table.ts';
import { serverProperties } from './server-properties.ts';

const HEADER_BYTES = 8;
const OUR_HEADER = Uint8Array.of(0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1);
const MECHANISMS = 'AMQPLAIN PLAIN';
const FRAME_BYTES_MAX = 131072;
const HEARTBEAT_S = 60;

/** Gathers the first eight bytes. */
export class ProtocolHeader {
  readonly bytes = new Uint8Array(HEADER_BYTES);
  #filled = 0;

  get complete(): boolean {
    return this.#filled === HEADER_BYTES;
  }

  /** Returns how many bytes of the chunk it took. */
  feed(chunk: Uint8Array): number {
    const count = Math.min(HEADER_BYTES - this.#filled, chunk.length);
    this.bytes.set(chunk.subarray(0, count), this.#filled);
    this.#filled += count;
    return count;
  }

  /** The minor version that connection.start names: 9 for both; null when it is not ours. */
  get supported(): boolean {
    const [a, m, q, p, b4, b5, b6, b7] = this.bytes;
    if (a !== 0x41 || m !== 0x4d || q !== 0x51 || p !== 0x50) return false;
    return (
      (b4 === 0 && b5 === 0 && b6 === 9 && b7 === 1) ||
      (b4 === 1 && b5 === 1 && b6 === 0 && b7 === 9)
    );
  }
}

export class Handshake {
  readonly #connection: AmqpConnection;

  constructor(connection: AmqpConnection) {
    this.#connection = connection;
  }

  begin(header: ProtocolHeader): void {
    const connection = this.#connection;
    if (!header.supported) {
      connection.output.append(OUR_HEADER);
      connection.metrics.fail(Failure.Malformed);
      connection.end();
      return;
    }
    connection.writer
      .begin(0, Method.ConnectionStart)
      .octet(0)
      .octet(9)
      .longstr(encodeTable(serverProperties(connection.broker.clusterId)))
      .longstr(Buffer.from(MECHANISMS))
      .longstr(Buffer.from('en_US'))
      .end();
    connection.sendSoon();
    connection.state = ConnectionState.Starting;
  }

  method(method: number, reader: MethodReader): void {
    const { state } = this.#connection;
    if (method === Method.ConnectionStartOk && state === ConnectionState.Starting) {
      this.#startOk(reader);
    } else if (method === Method.ConnectionTuneOk && state === ConnectionState.Tuning) {
      this.#tuneOk(reader);
    } else if (method === Method.ConnectionOpen && state === ConnectionState.Opening) {
      this.#open(reader);
    } else if (method === Method.ConnectionClose && state === ConnectionState.Running) {
      this.#connection.closeByClient();
    } else if (method === Method.ConnectionUpdateSecret && state === ConnectionState.Running) {
      this.#updateSecret(reader);
    } else {
      const name = STATE_NAMES[state];
      throw new AmqpError(ReplyCode.ChannelError, `unexpected method in connection state ${name}`);
    }
  }

  #startOk(reader: MethodReader): void {
    const connection = this.#connection;
    const properties = readTable(reader);
    const mechanism = reader.shortstr();
    const response = reader.longstr();
    const capabilities = properties.get('capabilities');
    if (capabilities?.type === 'F') {
      const can = (name: string): boolean =>
        (capabilities.value as FieldTable).get(name)?.value === true;
      connection.canBeCancelled = can('consumer_cancel_notify');
      connection.canBeBlocked = can('connection.blocked');
      connection.wantsAuthenticationFailure = can('authentication_failure_close');
    }
    const { user, password } = credentials(mechanism, response);
    void this.#authenticate(mechanism, user, password);
  }

  /** The connection is held meanwhile: password hashes are checked on the thread pool. */
  async #authenticate(mechanism: string, user: string, password: string): Promise<void> {
    const connection = this.#connection;
    connection.hold();
    const identity = await connection.broker.auth.check(user, password, connection.peer.loopback);
    if (connection.state !== ConnectionState.Starting) return;
    if (identity === null) this.#refuse(mechanism);
    else {
      connection.identity = identity;
      this.#tune();
    }
    connection.resume();
  }

  #refuse(mechanism: string): void {
    const text = `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`;
    this.#connection.fail(new AmqpError(ReplyCode.AccessRefused, text), null, 0);
  }

  #tune(): void {
    const connection = this.#connection;
    connection.writer
      .begin(0, Method.ConnectionTune)
      .short(connection.broker.limits.channelsMax)
      .long(FRAME_BYTES_MAX)
      .short(HEARTBEAT_S)
      .end();
    connection.sendSoon();
    connection.state = ConnectionState.Tuning;
  }

  #tuneOk(reader: MethodReader): void {
    const connection = this.#connection;
    const channelsMax = reader.short();
    const frameBytesMax = reader.long();
    const heartbeatS = reader.short();
    checkNegotiated('frame_max', frameBytesMax, FRAME_BYTES_MIN, FRAME_BYTES_MAX);
    checkNegotiated('channel_max', channelsMax, 1, connection.broker.limits.channelsMax);
    connection.channelsMax = channelsMax;
    connection.frameBytesMax = frameBytesMax;
    connection.heartbeatMs = heartbeatS * 1000;
    connection.state = ConnectionState.Opening;
  }

  #open(reader: MethodReader): void {
    const connection = this.#connection;
    const vhost = reader.shortstr();
    if (connection.refusal !== null) throw new AmqpError(ReplyCode.NotAllowed, connection.refusal);
    try {
      connection.namespace = connection.broker.namespace(vhost);
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      throw new AmqpError(ReplyCode.NotAllowed, `vhost ${vhost} not found`);
    }
    const { identity } = connection;
    if (!identity.mayEnter(vhost)) {
      throw new AmqpError(
        ReplyCode.NotAllowed,
        `access to vhost '${vhost}' refused for user '${identity.name}'`,
      );
    }
    connection.vhost = vhost;
    connection.writer.begin(0, Method.ConnectionOpenOk).shortstr('').end();
    connection.sendSoon();
    connection.opened();
  }

  /**
   * A fresh token for one that expires. Passwords do not expire and the user has shown theirs, so
   * nothing changes here and any secret is answered ok, as RabbitMQ's own user table does.
   */
  #updateSecret(reader: MethodReader): void {
    const connection = this.#connection;
    reader.longstr();
    reader.shortstr();
    connection.broker.ports.log.warn('update-secret has no effect: passwords do not expire', {
      user: connection.identity.name,
    });
    connection.writer.begin(0, Method.ConnectionUpdateSecretOk).end();
    connection.sendSoon();
  }
}

const STATE_NAMES = ['pre_init', 'starting', 'tuning', 'opening', 'running', 'closing', 'closed'];

export function readTable(reader: MethodReader): FieldTable {
  const length = reader.long();
  const at = reader.take(length);
  return decodeTable(reader.bytes, at, at + length);
}

function credentials(mechanism: string, response: Uint8Array): { user: string; password: string } {
  if (mechanism === 'PLAIN') {
    // RFC 4616: [authorization id] NUL user NUL password.
    const parts = Buffer.from(response).toString().split('\0');
    if (parts.length === 3) return { user: parts[1]!, password: parts[2]! };
    throw new AmqpError(
      ReplyCode.SyntaxError,
      'PLAIN response is not [authzid] NUL user NUL password',
    );
  }
  if (mechanism === 'AMQPLAIN') {
    const table = decodeTable(response, 0, response.length);
    const login = table.get('LOGIN');
    const password = table.get('PASSWORD');
    const user = login && fieldText(login);
    const secret = password && fieldText(password);
    if (typeof user === 'string' && typeof secret === 'string') return { user, password: secret };
    throw new AmqpError(ReplyCode.SyntaxError, 'AMQPLAIN auth info needs LOGIN and PASSWORD');
  }
  throw new AmqpError(ReplyCode.CommandInvalid, `unknown authentication mechanism '${mechanism}'`);
}

/** 0 means "no limit", which only a server without one could grant. */
function checkNegotiated(field: string, value: number, min: number, max: number): void {
  const refuse = (relation: string, bound: string, allowed: number): never => {
    throw new AmqpError(
      ReplyCode.NotAllowed,
      `negotiated ${field} = ${value}${field === 'channel_max' && value === 0 ? ' (no limit)' : ''} is ${relation} than the ${bound} allowed value (${allowed})`,
    );
  };
  if (value !== 0 && value < min) refuse('lower', 'minimum', min);
  if (value === 0 || value > max) refuse('higher', 'maximum', max);
}
