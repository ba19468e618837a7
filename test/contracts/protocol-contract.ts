/**
 * What every protocol's connections must do, whatever they speak. Called by each protocol's tests
 * with a session of its own: requests in order, each sent when the answer to the one before is there.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Broker } from '#core/broker.ts';
import type { Protocol } from '#protocols/contract.ts';
import { connect, MemoryBroker } from '#test/drive/memory-broker.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';

export interface ProtocolUnderTest {
  create(broker: Broker): Protocol;
  /** A whole, valid session, from the first byte; it leaves something held at its end. */
  session: readonly Uint8Array[];
  /** Bytes that end the connection that sends them, each on a new connection. */
  garbage: readonly Uint8Array[];
  /** What connections hold in the broker: leases, consumers, waiting requests. */
  held(broker: Broker): number;
}

/** Names that the broker makes up are the same in every run. */
const SEED = 7;
const HOUR_MS = 3_600_000;

type Cut = (bytes: Uint8Array) => Uint8Array[];

const whole: Cut = (bytes) => [bytes];
const byteByByte: Cut = (bytes) => Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));

function randomly(seed: number): Cut {
  const random = new SeededRandom(seed);
  return (bytes) => {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = Math.min(bytes.length, at + 1 + random.below(40));
      parts.push(bytes.subarray(at, end));
      at = end;
    }
    return parts;
  };
}

export function protocolContract(name: string, subject: ProtocolUnderTest): void {
  test(`${name}: how its bytes are cut makes no difference`, async () => {
    const expected = await outputOf(subject, whole);
    assert.ok(expected.length > 0);
    assert.deepEqual(await outputOf(subject, byteByByte), expected, 'byte by byte');
    for (let seed = 1; seed <= 20; seed++) {
      assert.deepEqual(await outputOf(subject, randomly(seed)), expected, `cut with seed ${seed}`);
    }
  });

  test(`${name}: all requests at once give the answers in order`, async () => {
    const memory = await MemoryBroker.open();
    const one = connect(subject.create(memory.broker));
    give(one.connection, Buffer.concat(subject.session), whole);
    await memory.settle();
    assert.ok(one.sink.take().length > 0);
  });

  test(`${name}: garbage ends the connection that sent it and no other`, async () => {
    const memory = await MemoryBroker.open({ seed: SEED });
    const protocol = subject.create(memory.broker);
    const bystander = connect(protocol);
    const first = Math.ceil(subject.session.length / 2);
    const answers: Buffer[] = [];
    const go = async (requests: readonly Uint8Array[]): Promise<void> => {
      for (const request of requests) {
        give(bystander.connection, request, whole);
        await memory.settle();
        answers.push(bystander.sink.take());
      }
    };
    await go(subject.session.slice(0, first));
    for (const garbage of subject.garbage) {
      const { connection, sink } = connect(protocol);
      give(connection, garbage, whole);
      await memory.settle();
      for (let s = 1; s <= 40 && !sink.ended; s++) connection.tick(memory.nowMs + s * 1000);
      assert.equal(sink.ended, true, `still open after ${Buffer.from(garbage).toString('latin1')}`);
      // What still comes is ignored.
      give(connection, garbage, byteByByte);
      connection.close('gone');
    }
    await go(subject.session.slice(first));
    assert.equal(bystander.sink.ended, false);
    assert.deepEqual(Buffer.concat(answers), await outputOf(subject, whole));
  });

  test(`${name}: a connection that is gone holds nothing, and writes nothing`, async () => {
    const memory = await MemoryBroker.open();
    const { connection, sink } = await run(memory, subject, whole);
    assert.ok(subject.held(memory.broker) > 0, 'the session must leave something held');
    sink.take();
    connection.close('gone');
    connection.close('gone');
    await memory.settle();
    assert.equal(subject.held(memory.broker), 0);
    connection.tick(memory.nowMs + 60_000);
    connection.drained();
    await memory.settle();
    assert.equal(sink.take().length, 0);
  });

  test(`${name}: a shutdown ends the connection and releases what it held`, async () => {
    const memory = await MemoryBroker.open();
    const { connection, sink } = await run(memory, subject, whole);
    connection.close('shutdown');
    await memory.settle();
    for (let s = 1; s <= 40 && !sink.ended; s++) connection.tick(memory.nowMs + s * 1000);
    assert.equal(sink.ended, true);
    assert.equal(subject.held(memory.broker), 0);
  });

  test(`${name}: a clock that is moved is nobody's silence`, async () => {
    const memory = await MemoryBroker.open();
    const { connection, sink } = await run(memory, subject, whole);
    for (let hour = 0; hour < 3; hour++) {
      memory.nowMs += HOUR_MS;
      connection.stepped(HOUR_MS);
      connection.tick(memory.nowMs);
    }
    await memory.settle();
    assert.equal(sink.ended, false);
    assert.equal(sink.take().length, 0);
  });
}

/** As a server does: the buffer that was read into is overwritten by the next read. */
function give(connection: { receive(chunk: Uint8Array): void }, bytes: Uint8Array, cut: Cut): void {
  for (const part of cut(bytes)) {
    const reused = new Uint8Array(part);
    connection.receive(reused);
    reused.fill(0xff);
  }
}

async function run(memory: MemoryBroker, subject: ProtocolUnderTest, cut: Cut) {
  const driven = connect(subject.create(memory.broker));
  const answers: Buffer[] = [];
  for (const request of subject.session) {
    give(driven.connection, request, cut);
    await memory.settle();
    answers.push(driven.sink.take());
  }
  return { ...driven, answers };
}

async function outputOf(subject: ProtocolUnderTest, cut: Cut): Promise<Buffer> {
  const memory = await MemoryBroker.open({ seed: SEED });
  return Buffer.concat((await run(memory, subject, cut)).answers);
}
