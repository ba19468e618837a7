import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HANDLERS } from './handlers/index.ts';
import { batch, Key, KafkaPeer, kafkaOf, request } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Writer } from '#wire/writer.ts';

const topic = { partitions: 1, replicationFactor: 1, config: {} };

async function opened(): Promise<{ memory: MemoryBroker; peer: KafkaPeer }> {
  const memory = await MemoryBroker.open();
  memory.broker.defaultNamespace.createTopic('t', topic);
  await memory.settle();
  return { memory, peer: new KafkaPeer(memory, kafkaOf(memory)) };
}

function produceBody(values: string[], acks = -1): (w: Writer) => void {
  return (w) => {
    w.nullableString(null).int16(acks).int32(1000).arrayLength(1).string('t').arrayLength(1);
    w.int32(0).bytes(batch(values));
  };
}

function fetchBody(offset: number, maxWaitMs: number): (w: Writer) => void {
  return (w) => {
    w.int32(-1)
      .int32(maxWaitMs)
      .int32(1)
      .int32(1 << 20)
      .int8(0);
    w.arrayLength(1)
      .string('t')
      .arrayLength(1)
      .int32(0)
      .int64(offset)
      .int32(1 << 20);
  };
}

describe('ApiVersions', () => {
  for (const version of [0, 1, 2, 3, 4]) {
    test(`v${version} lists exactly the handlers`, async () => {
      const { peer } = await opened();
      const answer = await peer.ask(Key.ApiVersions, version, (w) => {
        if (version >= 3) w.string('test').string('1.0').tags();
      });
      assert.equal(answer.int16(), 0);
      const listed = answer.array((r) => {
        const range = [r.int16(), r.int16(), r.int16()];
        r.tags();
        return range;
      });
      assert.deepEqual(
        listed,
        HANDLERS.map(({ key, min, max }) => [key, min, max]),
      );
      if (version >= 1) assert.equal(answer.int32(), 0);
      answer.tags();
      assert.equal(answer.remaining, 0);
    });
  }

  test('an unknown version is answered as v0 with error 35 and the range of this API', async () => {
    const { memory, peer } = await opened();
    peer.send(Key.ApiVersions, 99, (w) => w.string('whatever'));
    await memory.settle();
    const { reader } = peer.next(Key.ApiVersions, 0)!;
    assert.equal(reader.int16(), 35);
    assert.deepEqual(
      reader.array((r) => [r.int16(), r.int16(), r.int16()]),
      [[18, 0, 4]],
    );
    assert.equal(reader.remaining, 0);
    assert.equal(peer.ended, false);
  });

  test('a client that names itself wrongly is refused (KIP-511)', async () => {
    const { peer } = await opened();
    const answer = await peer.ask(Key.ApiVersions, 3, (w) => w.string('-x-').string('1').tags());
    assert.equal(answer.int16(), 42);
  });

  test('what librdkafka needs of the minima is there', () => {
    const range = new Map(HANDLERS.map(({ key, min, max }) => [key, [min, max] as const]));
    const needed = [
      [Key.Produce, 0, 3],
      [Key.Fetch, 4, 4],
      [Key.ListOffsets, 1, 1],
      [Key.OffsetCommit, 2, 2],
      [Key.OffsetFetch, 1, 1],
      [Key.FindCoordinator, 0, 0],
      [Key.JoinGroup, 0, 0],
      [Key.SyncGroup, 0, 0],
      [Key.Heartbeat, 0, 0],
      [Key.LeaveGroup, 0, 0],
      [Key.InitProducerId, 0, 0],
    ] as const;
    for (const [key, from, to] of needed) {
      const [min, max] = range.get(key)!;
      assert.ok(min <= from && max >= to, `API ${key}`);
    }
  });
});

describe('bad bytes end this connection only', () => {
  const cases: [string, Buffer][] = [
    ['an unknown API', request(999, 0, 1, () => {})],
    ['an unknown version', request(Key.Fetch, 3, 1, () => {})],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3])],
    ['a length over the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff, 1, 2, 3])],
    ['an empty request', Buffer.from([0, 0, 0, 0])],
    ['a header cut short', Buffer.from([0, 0, 0, 4, 0, 3, 0, 1])],
    ['a body cut short', request(Key.Metadata, 4, 1, (w) => w.int32(1000))],
    ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ];
  for (const [name, bytes] of cases) {
    test(name, async () => {
      const { memory, peer } = await opened();
      const other = new KafkaPeer(memory, kafkaOf(memory));
      peer.write(bytes);
      assert.equal(peer.ended, true);
      assert.equal(memory.warnings.length, 1, 'one line says so');
      peer.write(request(Key.Metadata, 1, 2, (w) => w.arrayLength(0)));
      await memory.settle();
      assert.equal(peer.next(Key.Metadata, 1), null, 'nothing is served afterwards');
      const answer = await other.ask(Key.Heartbeat, 0, (w) => w.string('g').int32(1).string('m'));
      assert.equal(answer.int16(), 25);
    });
  }
});

describe('order', () => {
  test('pipelined produces are answered in order, after one commit', async () => {
    const { memory, peer } = await opened();
    for (let i = 0; i < 5; i++) peer.send(Key.Produce, 7, produceBody([`v${i}`]));
    assert.equal(peer.next(Key.Produce, 7), null, 'nothing before the commit');
    await memory.settle();
    for (let i = 0; i < 5; i++) {
      const { correlationId, reader } = peer.next(Key.Produce, 7)!;
      assert.equal(correlationId, i + 1);
      reader.arrayLength();
      reader.string();
      reader.arrayLength();
      assert.deepEqual([reader.int32(), reader.int16(), reader.int64()], [0, 0, i]);
    }
  });

  test('what comes behind a waiting fetch waits, and is served when the fetch is answered', async () => {
    const { memory, peer } = await opened();
    peer.send(Key.Fetch, 4, fetchBody(0, 500));
    peer.send(Key.Metadata, 1, (w) => w.arrayLength(0));
    peer.send(Key.Heartbeat, 0, (w) => w.string('g').int32(1).string('m'));
    await memory.settle();
    assert.equal(peer.next(Key.Fetch, 4), null);
    assert.equal(peer.driven.sink.paused, true);
    await memory.advance(500);
    assert.equal(peer.next(Key.Fetch, 4)!.correlationId, 1);
    assert.equal(peer.next(Key.Metadata, 1)!.correlationId, 2);
    assert.equal(peer.next(Key.Heartbeat, 0)!.correlationId, 3);
    assert.equal(peer.driven.sink.paused, false);
  });

  test('another request behind a produce waits for its commit', async () => {
    const { memory, peer } = await opened();
    peer.send(Key.Produce, 7, produceBody(['a']));
    peer.send(Key.Metadata, 1, (w) => w.arrayLength(0));
    assert.equal(peer.driven.sink.output.length, 0);
    await memory.settle();
    assert.equal(peer.next(Key.Produce, 7)!.correlationId, 1);
    assert.equal(peer.next(Key.Metadata, 1)!.correlationId, 2);
  });

  test('acks=0 has no answer; when it fails the connection ends', async () => {
    const { memory, peer } = await opened();
    peer.send(Key.Produce, 7, produceBody(['a'], 0));
    peer.send(Key.Produce, 7, produceBody(['b'], 1));
    await memory.settle();
    assert.equal(peer.next(Key.Produce, 7)!.correlationId, 2);
    peer.send(Key.Produce, 7, (w) => {
      w.nullableString(null).int16(0).int32(1000).arrayLength(1).string('none').arrayLength(1);
      w.int32(0).bytes(batch(['x']));
    });
    assert.equal(peer.ended, true);
  });
});

describe('backpressure', () => {
  test('nothing more is served while the client does not read', async () => {
    const { memory, peer } = await opened();
    peer.driven.sink.blocked = true;
    peer.send(Key.Metadata, 1, (w) => w.arrayLength(0));
    await memory.settle();
    assert.equal(peer.driven.sink.output.length, 0);
    assert.equal(peer.driven.sink.paused, true);
    peer.driven.sink.blocked = false;
    peer.driven.connection.drained();
    assert.equal(peer.next(Key.Metadata, 1)!.correlationId, 1);
    assert.equal(peer.driven.sink.paused, false);
  });

  test('short of memory, a producer is told to wait and not read from; others go on', async () => {
    const { memory, peer } = await opened();
    const reader = new KafkaPeer(memory, kafkaOf(memory));
    const throttled = async (): Promise<number> => {
      const answer = await peer.ask(Key.Produce, 7, produceBody(['a']));
      return answer.bytes.readInt32BE(answer.end - 4);
    };
    assert.equal(await throttled(), 0);
    assert.equal(peer.driven.sink.paused, false);
    memory.broker.alarms.memory = true;
    assert.equal(await throttled(), 1000);
    assert.equal(peer.driven.sink.paused, true);
    await reader.ask(Key.Metadata, 1, (w) => w.arrayLength(0));
    assert.equal(reader.driven.sink.paused, false);
    // The broker looks again at what there is, and calls the alarm off.
    await memory.advance(300);
    assert.equal(peer.driven.sink.paused, false);
    assert.equal(await throttled(), 0);
  });

  test('an idle connection is closed after ten minutes, a waiting one is not', async () => {
    const { memory, peer } = await opened();
    const waiting = new KafkaPeer(memory, kafkaOf(memory));
    waiting.send(Key.Fetch, 4, fetchBody(0, 1_000_000));
    peer.driven.connection.tick(memory.nowMs + 599_999);
    assert.equal(peer.ended, false);
    peer.driven.connection.tick(memory.nowMs + 600_000);
    waiting.driven.connection.tick(memory.nowMs + 600_000);
    assert.equal(peer.ended, true);
    assert.equal(waiting.ended, false);
  });
});

test('the address told to a client is the one it came by', async () => {
  const { memory } = await opened();
  for (const [localAddress, host] of [
    ['::1', '::1'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['192.168.1.7', '192.168.1.7'],
  ] as const) {
    const peer = new KafkaPeer(memory, kafkaOf(memory), {
      remoteAddress: '::1',
      remotePort: 1,
      tls: 'none',
      localAddress,
      localPort: 9192,
      loopback: true,
    });
    const answer = await peer.ask(Key.Metadata, 1, (w) => w.arrayLength(0));
    const [broker] = answer.array((r) => [r.int32(), r.string(), r.int32(), r.nullableString()]);
    assert.deepEqual(broker, [1, host, 9192, null]);
  }
});
