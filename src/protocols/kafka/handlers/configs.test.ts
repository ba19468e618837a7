import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import type { Topic } from '#core/topic/topic.ts';

import type { Writer } from '#wire/writer.ts';

let memory: MemoryBroker;
let peer: KafkaPeer;
let topic: Topic;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  const { defaultNamespace } = memory.broker;
  topic = defaultNamespace.createTopic('t', { partitions: 2, replicationFactor: 3, config: {} });
  defaultNamespace.declareQueue('q', defaultQueueOptions());
  await memory.settle();
  peer = new KafkaPeer(memory, kafkaOf(memory));
});

describe('settings', () => {
  interface Line {
    value: string | null;
    source: number;
    type: number;
    synonyms: (string | number | null)[][];
  }

  async function describeConfigs(type: number, name: string, keys: string[] | null, version = 4) {
    const answer = await peer.ask(Key.DescribeConfigs, version, (w) => {
      w.arrayLength(1).int8(type).string(name);
      if (keys === null) w.arrayLength(-1);
      else w.array(keys, (each, key) => each.string(key));
      w.tags().bool(true);
      if (version >= 3) w.bool(true);
      w.tags();
    });
    answer.int32();
    answer.arrayLength();
    const error = answer.int16();
    answer.nullableString();
    answer.int8();
    answer.string();
    const lines = new Map<string, Line>();
    answer.array((r) => {
      const key = r.string();
      const value = r.nullableString();
      r.bool();
      const source = r.int8();
      r.bool();
      const synonyms = r.array((each) => {
        const line = [each.string(), each.nullableString(), each.int8()];
        each.tags();
        return line;
      });
      const settingType = version >= 3 ? r.int8() : 0;
      if (version >= 3) r.nullableString();
      r.tags();
      lines.set(key, { value, source, type: settingType, synonyms });
    });
    answer.tags().tags();
    assert.equal(answer.remaining, 0);
    return { error, lines };
  }

  async function alter(operations: [string, number, string | null][], name = 't', type = 2) {
    const answer = await peer.ask(Key.IncrementalAlterConfigs, 1, (w) => {
      w.arrayLength(1).int8(type).string(name);
      w.array(operations, (each, [key, operation, value]) => {
        each.string(key).int8(operation).nullableString(value).tags();
      });
      w.tags().bool(false).tags();
    });
    answer.int32();
    answer.arrayLength();
    return answer.int16();
  }

  for (let version = 1; version <= 4; version++) {
    test(`DescribeConfigs v${version}: real defaults`, async () => {
      const { error, lines } = await describeConfigs(2, 't', null, version);
      assert.equal(error, 0);
      assert.ok(lines.size > 25);
      const retention = lines.get('retention.ms')!;
      assert.deepEqual([retention.value, retention.source], ['604800000', 5]);
      assert.equal(lines.get('max.message.bytes')!.value, '1048588');
      assert.equal(lines.get('segment.bytes')!.value, '1073741824');
      const some = await describeConfigs(2, 't', ['cleanup.policy'], version);
      assert.deepEqual([...some.lines.keys()], ['cleanup.policy']);
    });
  }

  test('of the broker, of what is not there', async () => {
    const { lines } = await describeConfigs(4, '1', null);
    assert.equal(lines.get('num.partitions')!.value, '1');
    assert.equal(lines.get('log.segment.bytes')!.value, '1073741824');
    const advertised = lines.get('advertised.listeners')!;
    assert.match(advertised.value!, /^PLAINTEXT:\/\/127\.0\.0\.1:\d+$/);
    assert.deepEqual(advertised.synonyms, [['advertised.listeners', advertised.value, 4]]);
    assert.equal((await describeConfigs(4, '2', null)).error, 42);
    assert.equal((await describeConfigs(2, 'none', null)).error, 3);
    assert.equal((await describeConfigs(2, 'q', null)).error, 17);
    assert.equal((await describeConfigs(77, 't', null)).error, 42);
  });

  test('set and unset one by one', async () => {
    assert.equal(await alter([['max.message.bytes', 0, '5000']]), 0);
    const { lines } = await describeConfigs(2, 't', ['max.message.bytes']);
    const line = lines.get('max.message.bytes')!;
    assert.deepEqual([line.value, line.source, line.type], ['5000', 1, 3]);
    assert.deepEqual(line.synonyms, [
      ['max.message.bytes', '5000', 1],
      ['message.max.bytes', '1048588', 5],
    ]);
    assert.equal(topic.config.messageBytesMax, 5000);
    assert.equal(await alter([['max.message.bytes', 1, null]]), 0);
    assert.equal(topic.config.messageBytesMax, 1_048_588);
  });

  test('what is refused changes nothing', async () => {
    assert.equal(
      await alter([
        ['retention.ms', 0, '5000'],
        ['no.such', 0, '1'],
      ]),
      40,
    );
    assert.equal(await alter([['retention.ms', 2, '5000']]), 40);
    assert.equal(await alter([['retention.ms', 0, null]]), 40);
    assert.equal(await alter([['cleanup.policy', 2, 'compact']]), 40);
    assert.equal(await alter([['retention.ms', 0, '1']], 'none'), 3);
    assert.equal(await alter([['num.partitions', 0, '1']], '1', 4), 42);
    assert.equal(topic.config.retentionMs, 604_800_000);
  });

  test('AlterConfigs replaces all', async () => {
    await alter([['retention.ms', 0, '5000']]);
    const answer = await peer.ask(Key.AlterConfigs, 2, (w: Writer) => {
      w.arrayLength(1).int8(2).string('t').arrayLength(1);
      w.string('retention.bytes').nullableString('777').tags().tags().bool(false).tags();
    });
    answer.int32();
    answer.arrayLength();
    assert.equal(answer.int16(), 0);
    assert.deepEqual([...topic.config.overrides], [['retention.bytes', '777']]);
  });
});
