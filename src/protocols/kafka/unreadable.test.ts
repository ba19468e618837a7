/** A log that cannot be read: the partition is answered with an error, everything else as ever. */
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { BrokerError, CorruptionError } from '#core/errors.ts';
import { batch, Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Writer } from '#wire/writer.ts';
import { ErrorCode } from './errors.ts';

const FAILURES = [
  [new CorruptionError('0.log', 61, 'the checksum does not match'), ErrorCode.CorruptMessage],
  [new BrokerError('unreadable', 'EIO'), ErrorCode.KafkaStorageError],
] as const;

let memory: MemoryBroker;
let peer: KafkaPeer;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  const options = { partitions: 2, replicationFactor: 1, config: {} };
  memory.broker.defaultNamespace.createTopic('t', options);
  peer = new KafkaPeer(memory, kafkaOf(memory));
  for (const index of [0, 1]) {
    await peer.ask(Key.Produce, 7, (writer) => {
      writer.nullableString(null).int16(1).int32(1000);
      writer
        .arrayLength(1)
        .string('t')
        .arrayLength(1)
        .int32(index)
        .bytes(batch(['one']));
    });
  }
});

function fetchBoth(writer: Writer): void {
  writer.int32(-1).int32(0).int32(1);
  writer.int32(1 << 24).int8(0);
  writer.arrayLength(1).string('t').arrayLength(2);
  for (const index of [0, 1])
    writer
      .int32(index)
      .int64(0)
      .int32(1 << 20);
}

for (const [failure, expected] of FAILURES) {
  test(`Fetch and ListOffsets: ${failure.message}`, async () => {
    const { log } = memory.broker.defaultNamespace.topics.get('t')!.partitions[0]!;
    log.read = () => Promise.reject(failure);
    log.offsetForTimestamp = () => Promise.reject(failure);

    const fetched = await peer.ask(Key.Fetch, 4, fetchBoth);
    fetched.int32();
    assert.equal(fetched.arrayLength(), 1);
    assert.equal(fetched.string(), 't');
    assert.equal(fetched.arrayLength(), 2);
    const errors: number[] = [];
    const sizes: number[] = [];
    for (let i = 0; i < 2; i++) {
      fetched.int32();
      errors.push(fetched.int16());
      fetched.int64();
      fetched.int64();
      fetched.int32();
      sizes.push(fetched.ownBytes().length);
    }
    assert.deepEqual(errors, [expected, ErrorCode.None]);
    assert.equal(sizes[0], 0);
    assert.ok(sizes[1]! > 61);

    const listed = await peer.ask(Key.ListOffsets, 1, (writer) => {
      writer.int32(-1).arrayLength(1).string('t').arrayLength(1).int32(0).int64(5);
    });
    listed.arrayLength();
    listed.string();
    listed.arrayLength();
    listed.int32();
    assert.equal(listed.int16(), expected);
  });
}
