/**
 * Fuzzes AMQP connections in this process. Each session opens properly, then sends frames of a
 * valid script, mutated, in pieces; now and then only garbage. Meanwhile a witness on a connection
 * of its own publishes and must get back exactly what it sent.
 */
import assert from 'node:assert/strict';
import { connect, MemoryBroker } from '#test/drive/memory-broker.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import {
  AmqpPeer,
  frame,
  method,
  methodsOf,
  openVhost,
  PROTOCOL_HEADER,
  publish,
  shortstr,
  startOk,
  table,
  tuneOk,
  u16,
  u32,
  u64,
  u8,
} from '#test/drive/amqp-peer.ts';
import { heapMiB, mutate, pieces, type Fuzzer } from '#test/fuzz/fuzzer.ts';
import { ConnectionState } from './connection-state.ts';
import type { AmqpConnection } from './connection.ts';
import { amqp091 } from './index.ts';

const WITNESS_EVERY = 200;
const CLEAN_EVERY = 500;
const SESSIONS_BEFORE_MEASURING = 2000;
const FRAMES_PER_SESSION_MAX = 40;

const PROPERTIES = Buffer.concat([
  u16(0xfffc),
  shortstr('text/plain'),
  shortstr('utf-8'),
  table({ a: 1, b: 'two', c: [true, { d: 'x' }], CC: ['q2'], 'x-key': 'k' }),
  u8(2),
  u8(3),
  shortstr('correlation'),
  shortstr('reply'),
  shortstr('60000'),
  shortstr('id'),
  u64(1_700_000_000),
  shortstr('type'),
  shortstr('guest'),
  shortstr('app'),
  shortstr(''),
]);

function declare(name: string, bits: number, args = {}): Buffer {
  return method(1, 50, 10, u16(0), shortstr(name), u8(bits), table(args));
}

/** Everything a client can send on an open connection. */
const SCRIPT: readonly Buffer[] = [
  declare('q', 0),
  declare('q2', 2, { 'x-max-length': 100, 'x-message-ttl': 1000, 'x-dead-letter-exchange': '' }),
  declare('q3', 2, { 'x-queue-type': 'quorum', 'x-delivery-limit': 3 }),
  declare('q4', 2, { 'x-queue-type': 'stream', 'x-max-age': '1h' }),
  declare('q5', 4, { 'x-max-priority': 9, 'x-single-active-consumer': true }),
  declare('', 12),
  declare('q', 1),
  method(1, 40, 10, u16(0), shortstr('x'), shortstr('topic'), u8(2), table()),
  method(1, 40, 10, u16(0), shortstr('h'), shortstr('headers'), u8(4), table()),
  method(1, 40, 30, u16(0), shortstr('h'), shortstr('x'), shortstr('#'), u8(0), table()),
  method(1, 50, 20, u16(0), shortstr('q'), shortstr('x'), shortstr('a.*.#'), u8(0), table()),
  method(1, 50, 20, u16(0), shortstr('q2'), shortstr('h'), shortstr(''), u8(0), table({ a: 1 })),
  method(1, 50, 50, u16(0), shortstr('q'), shortstr('x'), shortstr('a.*.#'), table()),
  method(1, 60, 10, u32(0), u16(10), u8(0)),
  method(1, 60, 10, u32(0), u16(20), u8(1)),
  method(1, 60, 20, u16(0), shortstr('q'), shortstr('c1'), u8(0), table({ 'x-priority': 5 })),
  method(1, 60, 20, u16(0), shortstr('q2'), shortstr('c2'), u8(2), table()),
  method(1, 60, 20, u16(0), shortstr('q4'), shortstr('c4'), u8(0), table({ 'x-stream-offset': 0 })),
  method(1, 60, 20, u16(0), shortstr('amq.rabbitmq.reply-to'), shortstr('r'), u8(2), table()),
  method(1, 60, 30, shortstr('c1'), u8(0)),
  method(1, 85, 10, u8(0)),
  publish(1, 'q', 'plain'),
  publish(1, 'q2', 'with properties', { properties: PROPERTIES }),
  publish(1, 'a.b.c', Buffer.alloc(5000, 'long'), { exchange: 'x', frameBytesMax: 1000 }),
  publish(1, 'q3', 'persistent', { properties: Buffer.concat([u16(0x1000), u8(2)]) }),
  publish(1, 'q4', 'streamed', { properties: PROPERTIES }),
  publish(1, 'nobody', 'returned', { mandatory: true }),
  publish(1, 'k', '', { exchange: 'h', properties: PROPERTIES }),
  method(1, 60, 70, u16(0), shortstr('q'), u8(0)),
  method(1, 60, 70, u16(0), shortstr('q2'), u8(1)),
  method(1, 60, 80, u64(1), u8(0)),
  method(1, 60, 80, u64(0), u8(1)),
  method(1, 60, 90, u64(2), u8(1)),
  method(1, 60, 120, u64(0), u8(3)),
  method(1, 60, 120, u64(3), u8(0)),
  method(1, 60, 110, u8(1)),
  method(1, 20, 20, u8(1)),
  method(1, 50, 30, u16(0), shortstr('q'), u8(0)),
  method(1, 50, 40, u16(0), shortstr('q2'), u8(0)),
  method(1, 40, 20, u16(0), shortstr('x'), u8(0)),
  method(1, 20, 40, u16(200), shortstr('bye'), u32(0)),
  method(1, 20, 10, shortstr('')),
  method(2, 20, 10, shortstr('')),
  method(0, 10, 70, u32(5), Buffer.from('guest'), shortstr('')),
  method(0, 10, 50, u16(200), shortstr('bye'), u32(0)),
  frame(8, 0, Buffer.alloc(0)),
];

const OPENING = [
  PROTOCOL_HEADER,
  startOk(),
  Buffer.concat([tuneOk(), openVhost('/'), method(1, 20, 10, shortstr(''))]),
];

export const fuzz: Fuzzer = async ({ count, seed }) => {
  const memory = await MemoryBroker.open({ seed });
  const protocol = amqp091(memory.broker);
  const witness = await new AmqpPeer(memory, protocol).open();
  await witness.call(declare('witness', 4), consumeAll('witness'));
  let frames = 0;
  let sessions = 0;
  let refused = 0;
  let heapBeforeMiB = 0;
  while (frames < count) {
    const sessionSeed = seed + sessions * 7919;
    const random = new SeededRandom(sessionSeed);
    try {
      const sent = await session(memory, protocol, random);
      frames += sent.frames;
      if (sent.ended) refused++;
      sessions++;
      if (sessions % WITNESS_EVERY === 0) await checkWitness(witness, `${sessions}`);
      if (sessions % CLEAN_EVERY === 0) await clean(memory);
    } catch (error) {
      throw new Error(`session with seed ${sessionSeed} failed`, { cause: error });
    }
    if (sessions === SESSIONS_BEFORE_MEASURING) heapBeforeMiB = heapMiB();
  }
  await clean(memory);
  await checkWitness(witness, 'the end');
  return { frames, sessions, refused, heapBeforeMiB, heapAfterMiB: heapMiB() };
};

function consumeAll(queue: string): Buffer {
  return method(1, 60, 20, u16(0), shortstr(queue), shortstr('w'), u8(2), table());
}

async function session(
  memory: MemoryBroker,
  protocol: ReturnType<typeof amqp091>,
  random: SeededRandom,
): Promise<{ frames: number; ended: boolean }> {
  const { sink, connection } = connect(protocol);
  const send = (bytes: Uint8Array): void => {
    for (const piece of pieces(bytes, random)) {
      // Overwritten afterwards, as a server's read buffer is.
      const reused = new Uint8Array(piece);
      connection.receive(reused);
      reused.fill(0xff);
    }
  };
  // One in sixteen does not even open properly.
  const early = random.below(16) === 0;
  for (const bytes of OPENING) {
    send(early ? mutate(bytes, random) : bytes);
    await promisesDone();
  }
  const limit = 1 + random.below(FRAMES_PER_SESSION_MAX);
  let count = 0;
  // What comes after the end is ignored, so it tests nothing.
  while (count < limit && (connection as AmqpConnection).state < ConnectionState.Closing) {
    const next = SCRIPT[random.below(SCRIPT.length)]!;
    send(random.below(3) === 0 ? mutate(next, random) : next);
    count++;
    if (random.below(4) === 0) {
      memory.turn();
      await promisesDone();
    }
    sink.take();
    if (random.below(50) === 0) sink.blocked = !sink.blocked;
    if (random.below(50) === 0) connection.drained();
  }
  const ended = (connection as AmqpConnection).state >= ConnectionState.Closing;
  connection.tick(memory.nowMs);
  connection.close('gone');
  memory.turn();
  await promisesDone();
  return { frames: count, ended };
}

/** Lets what waits for a settled promise go on. */
async function promisesDone(): Promise<void> {
  for (let i = 0; i < 3; i++) await Promise.resolve();
}

let witnessed = 0;

async function checkWitness(witness: AmqpPeer, when: string): Promise<void> {
  const text = `witness ${witnessed++}`;
  const received = methodsOf(await witness.exchange(publish(1, 'witness', text)));
  const bodies = received.map(({ body }) => body?.toString());
  assert.deepEqual(bodies, [text], `the witness was disturbed at ${when}`);
}

/** Nothing of the ended sessions may be held; then what they declared goes. */
async function clean(memory: MemoryBroker): Promise<void> {
  await memory.settle();
  const { defaultNamespace: namespace } = memory.broker;
  for (const queue of namespace.queues.values()) {
    if (queue.name === 'witness') continue;
    assert.equal(queue.unackedCount, 0, `${queue.name} has leases of nobody`);
    assert.equal(queue.consumerCount, 0, `${queue.name} has consumers of nobody`);
    assert.equal(queue.options.exclusiveTo, null, `${queue.name} outlived its connection`);
  }
  for (const name of namespace.queues.keys()) {
    if (name === 'witness') continue;
    namespace.deleteQueue(name, { ifUnused: false, ifEmpty: false, owner: null });
  }
  for (const name of namespace.topics.keys()) namespace.deleteTopic(name);
  for (const [name, { predeclared }] of namespace.exchanges) {
    if (!predeclared) namespace.deleteExchange(name, { ifUnused: false });
  }
  memory.warnings.length = 0;
  await memory.settle();
}
