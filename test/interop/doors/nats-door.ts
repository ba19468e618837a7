/** The door of NATS, through nats.js: publishes to a subject, subscribes to all of them. */
import {
  connect,
  headers as newHeaders,
  type Msg,
  type NatsConnection,
} from '@nats-io/transport-node';
import {
  asText,
  type Door,
  namedHeaders,
  nothingSeen,
  type Seen,
  type Sent,
  sortHeaders,
  SUBJECT,
  type Value,
} from './door.ts';

export class NatsDoor implements Door {
  readonly name = 'nats';
  readonly seen: Seen[] = [];
  readonly #connection: NatsConnection;

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  static async open(servers: string): Promise<NatsDoor> {
    const door = new NatsDoor(await connect({ servers }));
    door.#connection.subscribe('m.>', {
      callback: (error, message) => {
        if (error) throw error;
        door.seen.push(seenFrom(message));
      },
    });
    await door.#connection.flush();
    return door;
  }

  cannotSend({ body, timestampMs, headers = {} }: Sent): boolean {
    return body === null || timestampMs !== undefined || 'un usual' in headers;
  }

  async publish(sent: Sent): Promise<void> {
    const headers = newHeaders();
    for (const [name, value] of namedHeaders(sent)) headers.append(name, asText(value));
    for (const value of sent.repeated?.values ?? []) headers.append(sent.repeated!.name, value);
    if (sent.key !== undefined) headers.append('x-key', sent.key);
    this.#connection.publish(SUBJECT(this.name), sent.body ?? 'x', {
      headers,
      ...(sent.replyTo === undefined ? {} : { reply: sent.replyTo }),
    });
    await this.#connection.flush();
  }

  sends(value: Value): string {
    return asText(value);
  }

  shows(value: Value): string {
    return asText(value);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }
}

function seenFrom({ data, subject, reply, headers }: Msg): Seen {
  const seen = nothingSeen(Buffer.from(data));
  seen.address = subject;
  seen.replyTo = reply ?? null;
  const shown: Record<string, unknown> = {};
  for (const name of headers?.keys() ?? []) {
    const values = headers!.values(name);
    shown[name] = values.length === 1 ? values[0] : values;
  }
  sortHeaders(shown, seen);
  return seen;
}
