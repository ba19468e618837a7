/**
 * Fuzzes Kafka connections in this process: requests of every API and version, mutated, in pieces,
 * mostly with a length that fits, so that the damage reaches the handlers. Meanwhile a witness on a
 * connection of its own produces, and fetches back exactly what it produced.
 */
import assert from 'node:assert/strict';
import { HANDLERS } from './handlers/index.ts';
import { BATCH_PREFIX_BYTES, CRC_FROM, writeInt32 } from '#core/message/batch.ts';
import { sealCrc } from '#core/message/batch-writer.ts';
import type { Protocol } from '#protocols/contract.ts';
import { batch, Key, KafkaPeer, kafkaOf, request } from '#test/drive/kafka-peer.ts';
import { SAMPLES } from '#test/drive/kafka-samples.ts';
import { connect, MemoryBroker } from '#test/drive/memory-broker.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import type { Writer } from '#wire/writer.ts';
import { type Fuzzer, heapMiB, mutate, pieces } from '#test/fuzz/fuzzer.ts';

const WITNESS_EVERY = 200;
const CLEAN_EVERY = 500;
const SESSIONS_BEFORE_MEASURING = 2000;
const REQUESTS_PER_SESSION_MAX = 30;
const LENGTH_BYTES = 4;
const ONE = { partitions: 1, replicationFactor: 1, config: {} };

interface Api {
  key: number;
  version: number;
}

const APIS: readonly Api[] = HANDLERS.flatMap(({ key, min, max }) =>
  Array.from({ length: max - min + 1 }, (_, i) => ({ key, version: min + i })),
);

export const fuzz: Fuzzer = async ({ count, seed }) => {
  const limits = { topicPartitionsMax: 100, requestBytesMax: 1 << 20 };
  const memory = await MemoryBroker.open({ seed, limits });
  const protocol = kafkaOf(memory);
  memory.broker.defaultNamespace.createTopic('witness', ONE);
  await clean(memory);
  const witness = new Witness(memory, protocol);
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
      if (sessions % CLEAN_EVERY === 0) await clean(memory);
    } catch (error) {
      throw new Error(`session with seed ${sessionSeed} failed`, { cause: error });
    }
    if (sessions === SESSIONS_BEFORE_MEASURING) heapBeforeMiB = heapMiB();
  }
  await clean(memory);
  await witness.check('the end');
  return { frames, sessions, refused, heapBeforeMiB, heapAfterMiB: heapMiB() };
};

async function session(
  memory: MemoryBroker,
  protocol: Protocol,
  random: SeededRandom,
): Promise<{ frames: number; ended: boolean }> {
  const { connection, sink } = connect(protocol);
  const { id } = memory.broker.defaultNamespace.topics.get('t') ?? { id: new Uint8Array(16) };
  const wanted = 1 + random.below(REQUESTS_PER_SESSION_MAX);
  let frames = 0;
  while (frames < wanted && !sink.ended) {
    const { key, version } = APIS[random.below(APIS.length)]!;
    const valid =
      random.below(20) === 0
        ? request(Key.Produce, 7, frames, (w) => produceBody(w, 't', damagedBatch(random)))
        : request(key, version, frames, (w) => SAMPLES.get(key)!(w, version, id));
    frames++;
    for (const piece of pieces(damaged(valid, random), random)) {
      const chunk = new Uint8Array(piece);
      connection.receive(chunk);
      chunk.fill(0xff);
    }
    if (random.below(4) === 0) memory.turn();
    if (random.below(16) === 0) sink.take();
  }
  await memory.settle();
  if (random.below(8) === 0) await memory.advance(random.below(1000));
  const { ended } = sink;
  connection.close('gone');
  return { frames, ended };
}

function produceBody(w: Writer, topic: string, records: Uint8Array): void {
  w.nullableString(null).int16(-1).int32(1000).arrayLength(1).string(topic).arrayLength(1);
  w.int32(0).bytes(records);
}

/** Nonsense with the right size and CRC, as a client with a fault of its own would send it. */
function damagedBatch(random: SeededRandom): Uint8Array {
  const whole = batch(['a', 'bc', ['key', 'value']]);
  const attributes = mutate(whole.subarray(CRC_FROM), random);
  const bytes = Buffer.concat([whole.subarray(0, CRC_FROM), attributes]);
  writeInt32(bytes, BATCH_PREFIX_BYTES - 4, bytes.length - BATCH_PREFIX_BYTES);
  sealCrc(bytes, 0, bytes.length);
  return bytes;
}

/** The length is mostly set right again, or hardly anything would get past it. */
function damaged(valid: Buffer, random: SeededRandom): Uint8Array {
  const kind = random.below(10);
  if (kind < 4) return valid;
  if (kind === 4) return mutate(valid, random);
  const body = mutate(valid.subarray(LENGTH_BYTES), random);
  const whole = Buffer.alloc(LENGTH_BYTES + body.length);
  whole.writeInt32BE(body.length);
  whole.set(body, LENGTH_BYTES);
  return whole;
}

/** What sessions left behind goes, so that what grows is a leak. */
async function clean(memory: MemoryBroker): Promise<void> {
  const { broker } = memory;
  memory.warnings.length = 0;
  for (const group of broker.groups.groups.values()) {
    for (const { id, instanceId } of group.members.values()) {
      broker.groups.leave(group.id, id, instanceId);
    }
  }
  // Invitations expire, and with them the last groups.
  await memory.advance(1_800_001);
  for (const id of broker.groups.groups.keys()) broker.groups.deleteGroup(id);
  const namespace = broker.defaultNamespace;
  for (const name of namespace.topics.keys()) {
    if (name !== 'witness') namespace.deleteTopic(name);
  }
  namespace.createTopic('t', ONE);
  await memory.settle();
  assert.equal(broker.groups.groups.size, 0);
}

/** Its connection is never touched by anybody else. */
class Witness {
  readonly #memory: MemoryBroker;
  readonly #peer: KafkaPeer;
  #offset = 0;

  constructor(memory: MemoryBroker, protocol: Protocol) {
    this.#memory = memory;
    this.#peer = new KafkaPeer(memory, protocol);
  }

  async check(value: string): Promise<void> {
    const sent = batch([value]);
    const produced = await this.#peer.ask(Key.Produce, 7, (w) => produceBody(w, 'witness', sent));
    produced.arrayLength();
    produced.string();
    produced.arrayLength();
    produced.int32();
    assert.deepEqual([produced.int16(), produced.int64()], [0, this.#offset]);
    const fetched = await this.#peer.ask(Key.Fetch, 4, (w) => {
      w.int32(-1)
        .int32(0)
        .int32(1)
        .int32(1 << 20)
        .int8(0);
      w.arrayLength(1)
        .string('witness')
        .arrayLength(1)
        .int32(0)
        .int64(this.#offset)
        .int32(1 << 20);
    });
    fetched.int32();
    fetched.arrayLength();
    fetched.string();
    fetched.arrayLength();
    fetched.int32();
    assert.equal(fetched.int16(), 0);
    fetched.int64();
    fetched.int64();
    assert.equal(fetched.arrayLength(), -1);
    const records = Buffer.from(fetched.ownBytes());
    assert.deepEqual(records.subarray(16), sent.subarray(16));
    this.#offset++;
    // Old records go, so that the log does not grow.
    const [partition] = this.#memory.broker.defaultNamespace.topic('witness').partitions;
    partition!.deleteRecords(this.#offset);
    await this.#memory.settle();
  }
}
