/**
 * Senders and receivers of a standard and a FIFO queue over SQS's JSON protocol, and what they may
 * conclude: a send that was answered 200 is committed, a delete that was answered 200 is for good,
 * and a group of a FIFO queue is received in the order in which it was sent.
 *
 * A delete without an answer may or may not have happened, so such a message may come back.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SeededRandom } from '#test/rigs/seeded-random.ts';
import { SqsClient, type ReceivedMessage } from './sqs-client.ts';

const STANDARD = 'faults-standard';
const FIFO = 'faults-groups.fifo';
const GROUPS = 7;
const PADDING = 'x'.repeat(60);
const BATCH_SHARE = 0.3;
const WAIT_SECONDS = 1;

interface Fate {
  sent: boolean;
  received: number;
  deleted: boolean;
}

export interface SqsCounts {
  sent: number;
  acknowledged: number;
  received: number;
  deleted: number;
  again: number;
  lost: string[];
  deletedReturned: string[];
  disordered: string[];
}

export class SqsLoad {
  readonly #random: SeededRandom;
  readonly #fates = new Map<string, Fate>();
  /** Of each group: the ids in the order of sending, from the first that was not received yet. */
  readonly #groups = new Map<string, string[]>();
  readonly #deletedReturned: string[] = [];
  readonly #disordered: string[] = [];
  #sequence = 0;
  #again = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    for (let i = 0; i < GROUPS; i++) this.#groups.set(`g${i}`, []);
  }

  /** Sends and receives until the broker is gone or `until` says so. Never rejects. */
  async run(port: number, senders: number, receivers: number, until: AbortSignal): Promise<void> {
    const client = new SqsClient(port, until);
    try {
      await client.call('CreateQueue', { QueueName: STANDARD });
      const Attributes = { FifoQueue: 'true', VisibilityTimeout: '43200' };
      await client.call('CreateQueue', { QueueName: FIFO, Attributes });
    } catch (error) {
      if (until.aborted) return;
      throw error;
    }
    const work = [
      ...Array.from({ length: senders }, async () => this.#sender(client, until)),
      // One sender per FIFO queue: two would race, and nobody could say which came first.
      this.#groupSender(client, until),
      ...Array.from({ length: receivers }, async () => this.#receiver(client, STANDARD, until)),
      this.#receiver(client, FIFO, until),
    ];
    await Promise.all(work);
    client.close();
  }

  /** Empties both queues and says what became of every message. */
  async verify(port: number): Promise<SqsCounts> {
    const client = new SqsClient(port, new AbortController().signal);
    for (const queue of [STANDARD, FIFO]) {
      for (;;) {
        const messages = await client.receive(queue, WAIT_SECONDS);
        if (messages.length === 0) break;
        for (const message of messages) this.#received(message);
        await client.delete(queue, messages);
        for (const { Body } of messages) this.#fates.get(idOf(Body))!.deleted = true;
      }
    }
    client.close();
    const fates = [...this.#fates];
    return {
      sent: fates.length,
      acknowledged: fates.filter(([, fate]) => fate.sent).length,
      received: fates.filter(([, fate]) => fate.received > 0).length,
      deleted: fates.filter(([, fate]) => fate.deleted).length,
      again: this.#again,
      lost: fates.filter(([, fate]) => fate.sent && fate.received === 0).map(([id]) => id),
      deletedReturned: this.#deletedReturned,
      disordered: this.#disordered,
    };
  }

  async #sender(client: SqsClient, until: AbortSignal): Promise<void> {
    await untilGone(until, async () => {
      const ids = this.#ids(this.#random.next() < BATCH_SHARE ? 10 : 1, 's');
      const entries = ids.map((id, i) => ({ Id: String(i), MessageBody: `${id} ${PADDING}` }));
      if (ids.length > 1) await client.call('SendMessageBatch', { Entries: entries }, STANDARD);
      else await client.call('SendMessage', { MessageBody: entries[0]!.MessageBody }, STANDARD);
      for (const id of ids) this.#fates.get(id)!.sent = true;
    });
  }

  async #groupSender(client: SqsClient, until: AbortSignal): Promise<void> {
    await untilGone(until, async () => {
      const group = `g${this.#random.between(0, GROUPS - 1)}`;
      const [id] = this.#ids(1, group);
      this.#groups.get(group)!.push(id!);
      const input = {
        MessageBody: `${id} ${PADDING}`,
        MessageGroupId: group,
        MessageDeduplicationId: id,
      };
      await client.call('SendMessage', input, FIFO);
      this.#fates.get(id!)!.sent = true;
    });
  }

  async #receiver(client: SqsClient, queue: string, until: AbortSignal): Promise<void> {
    await untilGone(until, async () => {
      const messages = await client.receive(queue, WAIT_SECONDS);
      for (const message of messages) this.#received(message);
      if (messages.length === 0) return;
      const deleted = await client.delete(queue, messages);
      for (const body of deleted) this.#fates.get(idOf(body))!.deleted = true;
    });
  }

  #ids(count: number, prefix: string): string[] {
    const ids = Array.from({ length: count }, () => `${prefix}-${this.#sequence++}`);
    for (const id of ids) this.#fates.set(id, { sent: false, received: 0, deleted: false });
    return ids;
  }

  #received({ Body }: ReceivedMessage): void {
    const id = idOf(Body);
    const fate = this.#fates.get(id);
    if (!fate) throw new Error(`received what was never sent: ${id}`);
    if (fate.deleted) this.#deletedReturned.push(id);
    if (fate.received++ > 0) {
      this.#again++;
      return;
    }
    const group = this.#groups.get(id.slice(0, id.indexOf('-')));
    if (group) this.#inOrder(group, id);
  }

  /** Whatever was sent to the group before, and acknowledged, must have been received before. */
  #inOrder(group: string[], id: string): void {
    for (
      let before = group.shift();
      before !== undefined && before !== id;
      before = group.shift()
    ) {
      if (this.#fates.get(before)!.sent) this.#disordered.push(`${before} after ${id}`);
    }
  }
}

function idOf(body: string): string {
  return body.slice(0, body.indexOf(' '));
}

/** Repeats `step` until the broker is gone. What fails while it is there is a failure. */
async function untilGone(until: AbortSignal, step: () => Promise<void>): Promise<void> {
  while (!until.aborted) {
    try {
      await step();
    } catch (error) {
      // The kill comes a moment before the signal.
      await sleep(200);
      if (!until.aborted) throw error;
    }
  }
}
