import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Codec } from '../message/batch.ts';
import { BrokerError } from '../errors.ts';
import { Sync } from '../log.ts';
import { TopicConfig } from './topic-config.ts';

function config(settings: Record<string, string>): TopicConfig {
  return new TopicConfig(Object.entries(settings), Sync.Commit);
}

function refused(settings: Record<string, string>, pattern: RegExp): void {
  assert.throws(
    () => config(settings),
    (error: unknown) => {
      assert.ok(error instanceof BrokerError);
      assert.equal(error.code, 'invalid-argument');
      assert.match(error.message, pattern);
      assert.equal(error.detail['config'], Object.keys(settings)[0]);
      return true;
    },
  );
}

test("Kafka's defaults, and what they mean for the log", () => {
  const rest = config({});
  assert.equal(rest.messageBytesMax, 1_048_588);
  assert.equal(rest.codec, null);
  assert.equal(rest.logAppendTime, false);
  assert.equal(rest.timestampAfterMaxMs, 3_600_000);
  assert.equal(rest.timestampBeforeMaxMs, Infinity);
  assert.deepEqual(rest.logConfig, {
    sync: 'commit',
    segmentBytesMax: 1_073_741_824,
    segmentAgeMsMax: 604_800_000,
    indexIntervalBytes: 4096,
    retentionMs: 604_800_000,
    retentionBytes: -1,
    ephemeral: false,
  });
});

test('settings are checked by type, range and choice', () => {
  refused({ 'retention.ms': 'soon' }, /Not a number of type LONG/);
  refused({ 'retention.ms': '-2' }, /at least -1/);
  refused({ 'segment.bytes': '1000' }, /at least 1048576/);
  refused({ 'segment.bytes': '2147483648' }, /no more than 2147483647/);
  refused({ 'compression.type': 'brotli' }, /must be one of/);
  refused({ preallocate: 'yes' }, /true or false/);
  refused({ 'min.cleanable.dirty.ratio': '1.5' }, /no more than 1/);
  refused({ 'no.such.setting': '1' }, /Unknown topic config name/);
  refused({ 'retention.ms': '9223372036854775808' }, /no more than 9223372036854775807/);
  config({ 'retention.ms': '9223372036854775807', 'min.cleanable.dirty.ratio': '0.25' });
});

test('what is not built is refused, not ignored', () => {
  refused({ 'cleanup.policy': 'compact' }, /compaction is not supported/);
  refused({ 'cleanup.policy': 'compact,delete' }, /compaction is not supported/);
  refused({ 'remote.storage.enable': 'true' }, /no remote storage/);
  refused({ 'compression.lz4.level': '3' }, /one level/);
  config({ 'cleanup.policy': 'delete', 'remote.storage.enable': 'false' });
});

test('sync follows the topic, then a finite flush interval, then the broker', () => {
  const sync = (settings: Record<string, string>, broker: Sync): Sync =>
    new TopicConfig(Object.entries(settings), broker).sync;
  assert.equal(sync({}, Sync.Os), 'os');
  assert.equal(sync({}, Sync.Commit), 'commit');
  assert.equal(sync({ 'posthorn.sync': 'os' }, Sync.Commit), 'os');
  assert.equal(sync({ 'flush.messages': '1' }, Sync.Os), 'commit');
  assert.equal(sync({ 'flush.ms': '1000', 'posthorn.sync': 'os' }, Sync.Os), 'os');
  assert.equal(new TopicConfig([], Sync.Os).value('posthorn.sync'), 'os');
});

test('changes set and unset, and the entries say what is default', () => {
  const before = config({ 'retention.ms': '1000', 'compression.type': 'zstd' });
  assert.equal(before.codec, Codec.Zstd);
  const after = before.with([
    ['retention.ms', null],
    ['compression.type', 'uncompressed'],
  ]);
  assert.equal(after.retentionMs, 604_800_000);
  assert.equal(after.codec, Codec.None);
  assert.deepEqual(
    after
      .entries()
      .filter((entry) => !entry.isDefault)
      .map(({ definition, value }) => [definition.name, value]),
    [['compression.type', 'uncompressed']],
  );
  assert.throws(() => before.with([['nonsense', null]]), /Unknown topic config name/);
});

test('every setting is in the documentation, with why it has no effect or is refused', () => {
  const document = readFileSync(
    new URL('../../../docs/topic-settings.md', import.meta.url),
    'utf8',
  );
  const entries = config({}).entries();
  assert.ok(entries.length > 30);
  for (const { definition } of entries) {
    const row = document.split('\n').find((line) => line.startsWith(`| \`${definition.name}\` |`));
    assert.ok(row, `${definition.name} is not documented`);
    assert.ok(row.includes(definition.documentation), row);
    assert.ok(row.includes(definition.effect ?? ''), row);
    assert.ok(row.includes(definition.refused?.reason ?? ''), row);
  }
});
