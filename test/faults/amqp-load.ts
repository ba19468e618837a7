/**
 * Publishers with confirms and consumers with acks over one durable queue, through amqplib, and
 * what they may conclude about every message.
 *
 * A publish is acknowledged when its confirm came. A delivery is settled for certain when, after
 * its ack, the same channel got an answer to a synchronous method and a message published after
 * that was confirmed: commits are ordered, so whatever covers that message covers the ack. A
 * delivery that was acked but not yet proven settled when the broker died may come back.
 */
import amqp, { type Channel, type ChannelModel, type ConfirmChannel } from 'amqplib';
import { setTimeout as sleep } from 'node:timers/promises';

const QUEUE = 'faults-queue';
const BARRIER_QUEUE = 'faults-barrier';
const IN_FLIGHT_MAX = 200;
const PREFETCH = 100;
const BODY_PADDING = 'x'.repeat(80);

const State = { Sent: 0, Confirmed: 1, Refused: 2 } as const;

interface Fate {
  state: number;
  deliveries: number;
  settled: boolean;
}

export interface AmqpCounts {
  published: number;
  confirmed: number;
  delivered: number;
  redelivered: number;
  settled: number;
  lost: string[];
  settledReturned: string[];
  unflagged: string[];
}

export class AmqpLoad {
  readonly #fates = new Map<string, Fate>();
  readonly #settledReturned: string[] = [];
  readonly #unflagged: string[] = [];
  #redelivered = 0;
  #sequence = 0;

  /** Publishes and consumes until the connection breaks or `until` says so. Never rejects. */
  async run(
    port: number,
    publishers: number,
    consumers: number,
    until: AbortSignal,
  ): Promise<void> {
    const work = [
      ...Array.from({ length: publishers }, async () => this.#publisher(port, until)),
      ...Array.from({ length: consumers }, async () => this.#consumer(port, until)),
    ];
    await Promise.all(work);
  }

  /** Empties the queue and says what became of every message. */
  async verify(port: number): Promise<AmqpCounts> {
    const connection = await amqp.connect(`amqp://127.0.0.1:${port}`);
    const channel = await connection.createChannel();
    await channel.assertQueue(QUEUE, { durable: true });
    for (;;) {
      const message = await channel.get(QUEUE, { noAck: true });
      if (message === false) break;
      this.#delivered(message.content.toString(), message.fields.redelivered);
    }
    await connection.close();
    const fates = [...this.#fates];
    const count = (test: (fate: Fate) => boolean): number =>
      fates.filter(([, fate]) => test(fate)).length;
    return {
      published: fates.length,
      confirmed: count((fate) => fate.state === State.Confirmed),
      delivered: count((fate) => fate.deliveries > 0),
      redelivered: this.#redelivered,
      settled: count((fate) => fate.settled),
      lost: fates
        .filter(([, fate]) => fate.state === State.Confirmed && fate.deliveries === 0)
        .map(([id]) => id),
      settledReturned: this.#settledReturned,
      unflagged: this.#unflagged,
    };
  }

  async #publisher(port: number, until: AbortSignal): Promise<void> {
    const session = await openSession(port, until);
    if (session === null) return;
    const { channel, broken } = session;
    let inFlight = 0;
    while (!until.aborted && !broken.aborted) {
      if (inFlight >= IN_FLIGHT_MAX) {
        await sleep(1);
        continue;
      }
      const id = `m${this.#sequence++}`;
      const fate: Fate = { state: State.Sent, deliveries: 0, settled: false };
      this.#fates.set(id, fate);
      inFlight++;
      const body = Buffer.from(`${id} ${BODY_PADDING}`);
      channel.sendToQueue(QUEUE, body, { persistent: true }, (error: unknown) => {
        inFlight--;
        if (broken.aborted) return;
        fate.state = error === null ? State.Confirmed : State.Refused;
      });
      if (this.#sequence % 20 === 0) await sleep(0);
    }
    await session.close();
  }

  async #consumer(port: number, until: AbortSignal): Promise<void> {
    const session = await openSession(port, until);
    if (session === null) return;
    const { channel, broken } = session;
    let acked: Fate[] = [];
    try {
      await channel.prefetch(PREFETCH);
      await channel.consume(QUEUE, (message) => {
        if (message === null) return;
        const fate = this.#delivered(message.content.toString(), message.fields.redelivered);
        channel.ack(message);
        if (fate !== null) acked.push(fate);
      });
      while (!until.aborted && !broken.aborted) {
        await sleep(10);
        const proven = acked;
        acked = [];
        await orBroken(channel.checkQueue(QUEUE), broken);
        await orBroken(barrier(channel), broken);
        for (const fate of proven) fate.settled = true;
      }
    } catch {
      // The broker was killed under us: nothing more is proven.
    }
    await session.close();
  }

  #delivered(body: string, redelivered: boolean): Fate | null {
    const id = body.slice(0, body.indexOf(' '));
    const fate = this.#fates.get(id);
    if (fate === undefined) throw new Error(`delivered what was never published: ${id}`);
    if (fate.settled) this.#settledReturned.push(id);
    if (fate.deliveries > 0) {
      this.#redelivered++;
      if (!redelivered) this.#unflagged.push(id);
    }
    fate.deliveries++;
    return fate;
  }
}

interface Session {
  channel: ConfirmChannel;
  broken: AbortSignal;
  close(): Promise<void>;
}

async function openSession(port: number, until: AbortSignal): Promise<Session | null> {
  const broken = new AbortController();
  let connection: ChannelModel;
  try {
    connection = await amqp.connect(`amqp://127.0.0.1:${port}`);
    connection.on('error', () => broken.abort());
    connection.on('close', () => broken.abort());
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => broken.abort());
    await declare(channel);
    return {
      channel,
      broken: broken.signal,
      async close() {
        if (broken.signal.aborted) return;
        await orBroken(connection.close(), broken.signal).catch(() => {});
      },
    };
  } catch (error) {
    if (until.aborted || broken.signal.aborted) return null;
    throw error;
  }
}

async function declare(channel: Channel): Promise<void> {
  await channel.assertQueue(QUEUE, { durable: true });
  await channel.assertQueue(BARRIER_QUEUE, { durable: true, maxLength: 1 });
}

async function barrier(channel: ConfirmChannel): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.sendToQueue(BARRIER_QUEUE, Buffer.from('.'), { persistent: true }, (error: unknown) => {
      if (error === null) resolve();
      else reject(error instanceof Error ? error : new Error('barrier refused'));
    });
  });
}

/** amqplib leaves some promises pending when its socket dies. */
async function orBroken<T>(work: Promise<T>, broken: AbortSignal): Promise<T> {
  const ended = new Promise<never>((_, reject) => {
    if (broken.aborted) reject(new Error('connection lost'));
    broken.addEventListener('abort', () => reject(new Error('connection lost')), { once: true });
  });
  return Promise.race([work, ended]);
}
