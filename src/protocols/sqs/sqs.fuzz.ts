/**
 * Fuzzes SQS connections in this process: requests of every action in both protocols, mutated in their
 * HTTP, in their JSON and in their forms, in pieces, mostly with a length that fits, so that the damage
 * gets past HTTP. Meanwhile a witness on a connection of its own sends, receives what it sent, and
 * deletes it.
 */
import assert from 'node:assert/strict';
import type { Protocol } from '#protocols/contract.ts';
import { type Fuzzer, heapMiB, mutate, pieces } from '#test/fuzz/fuzzer.ts';
import { connect, MemoryBroker } from '#test/drive/memory-broker.ts';
import {
  answersIn,
  formRequest,
  getRequest,
  jsonRequest,
  sqsOf,
  SqsPeer,
} from '#test/drive/sqs-peer.ts';
import {
  RECEIPT_HANDLE,
  type Sample,
  SAMPLES,
  sampleForm,
  SHAPES_OF_SMUGGLING,
} from '#test/drive/sqs-samples.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';

const WITNESS_EVERY = 200;
const CLEAN_EVERY = 500;
const SESSIONS_BEFORE_MEASURING = 2000;
const REQUESTS_PER_SESSION_MAX = 30;
const QUEUES = ['orders', 'dead', 'lane.fifo'] as const;
const WITNESS = 'http://localhost:9324/000000000000/witness';

export const fuzz: Fuzzer = async ({ count, seed }) => {
  const memory = await MemoryBroker.open({ seed, limits: { queuesMax: 200 } });
  const protocol = sqsOf(memory);
  const witness = new Witness(new SqsPeer(memory, protocol));
  await witness.open();
  await clean(memory, protocol);
  let frames = 0;
  let sessions = 0;
  let refused = 0;
  let heapBeforeMiB = 0;
  while (frames < count) {
    const sessionSeed = seed + sessions * 7919;
    try {
      const sent = await session(memory, protocol, new SeededRandom(sessionSeed));
      frames += sent.frames;
      if (sent.ended) refused++;
      sessions++;
      if (sessions % WITNESS_EVERY === 0) await witness.check(`value ${sessions}`);
      if (sessions % CLEAN_EVERY === 0) await clean(memory, protocol);
    } catch (error) {
      throw new Error(`session with seed ${sessionSeed} failed`, { cause: error });
    }
    if (sessions === SESSIONS_BEFORE_MEASURING) heapBeforeMiB = heapMiB();
  }
  await clean(memory, protocol);
  await witness.check('the end');
  return { frames, sessions, refused, heapBeforeMiB, heapAfterMiB: heapMiB() };
};

async function session(
  memory: MemoryBroker,
  protocol: Protocol,
  random: SeededRandom,
): Promise<{ frames: number; ended: boolean }> {
  const { connection, sink } = connect(protocol);
  const wanted = 1 + random.below(REQUESTS_PER_SESSION_MAX);
  let frames = 0;
  let handle = RECEIPT_HANDLE;
  while (frames < wanted && !sink.ended) {
    frames++;
    for (const piece of pieces(damagedRequest(random, handle), random)) {
      const chunk = new Uint8Array(piece);
      connection.receive(chunk);
      chunk.fill(0xff);
    }
    if (random.below(2) === 0) await memory.settle();
    if (random.below(4) === 0) handle = handleIn(sink.take()) ?? handle;
  }
  await memory.settle();
  answersIn(sink.take());
  if (random.below(8) === 0) await memory.advance(random.below(30_000));
  const { ended } = sink;
  connection.close('gone');
  return { frames, ended };
}

/** Whatever was sent, what comes back is HTTP. */
function handleIn(bytes: Buffer): string | undefined {
  for (const { body } of answersIn(bytes)) {
    const found = /ReceiptHandle(?:":"|>)([A-Za-z0-9_-]+)/.exec(body);
    if (found !== null) return found[1];
  }
  return undefined;
}

function damagedRequest(random: SeededRandom, handle: string): Uint8Array {
  const kind = random.below(12);
  if (kind === 0) return SHAPES_OF_SMUGGLING[random.below(SHAPES_OF_SMUGGLING.length)]!;
  const [action, named] = SAMPLES[random.below(SAMPLES.length)]!;
  const text = JSON.stringify(named).replaceAll(RECEIPT_HANDLE, handle);
  const sample = JSON.parse(text) as Sample;
  const path = random.below(2) === 0 ? '/' : '/000000000000/orders';
  if (kind < 6) {
    const body = Buffer.from(text);
    return damaged((bytes) => jsonRequest(action, bytes, { path }), body, kind, random);
  }
  const form = Buffer.from(sampleForm(action, sample));
  if (kind < 11) {
    return damaged((bytes) => formRequest(bytes.toString('latin1'), { path }), form, kind, random);
  }
  return damaged((bytes) => getRequest(`/?${bytes.toString('latin1')}`), form, kind, random);
}

/** The body, mostly with a length that fits; or all of it. */
function damaged(
  wrap: (body: Buffer) => Buffer,
  body: Buffer,
  kind: number,
  random: SeededRandom,
): Uint8Array {
  if (kind % 5 === 0) return mutate(wrap(body), random);
  if (kind % 5 === 1) return wrap(body);
  return wrap(Buffer.from(mutate(body, random)));
}

/** What sessions left behind goes, so that what grows is a leak. */
async function clean(memory: MemoryBroker, protocol: Protocol): Promise<void> {
  const { queues } = memory.broker.defaultNamespace;
  const namespace = memory.broker.defaultNamespace;
  memory.warnings.length = 0;
  for (const name of queues.keys()) {
    if (name === 'witness') continue;
    namespace.deleteQueue(name, { ifUnused: false, ifEmpty: false, owner: null });
  }
  await memory.advance(61_000);
  const peer = new SqsPeer(memory, protocol);
  for (const QueueName of QUEUES) {
    const Attributes = QueueName.endsWith('.fifo') ? { FifoQueue: 'true' } : {};
    await peer.json('CreateQueue', { QueueName, Attributes });
  }
  peer.driven.connection.close('gone');
  await memory.settle();
}

/** Its connection is never touched by anybody else. */
class Witness {
  readonly #peer: SqsPeer;

  constructor(peer: SqsPeer) {
    this.#peer = peer;
  }

  async open(): Promise<void> {
    await this.#peer.json('CreateQueue', { QueueName: 'witness' });
  }

  async check(MessageBody: string): Promise<void> {
    const QueueUrl = WITNESS;
    const sent = await this.#peer.json('SendMessage', { QueueUrl, MessageBody });
    const { Messages } = await this.#peer.json('ReceiveMessage', { QueueUrl });
    assert.deepEqual(
      Messages!.map(({ MessageId, Body }) => [MessageId, Body]),
      [[sent.MessageId, MessageBody]],
    );
    const { ReceiptHandle } = Messages![0]!;
    await this.#peer.json('DeleteMessage', { QueueUrl, ReceiptHandle });
  }
}
