/**
 * A valid body for every API and version that is served, for contract tests and fuzzing: they name
 * topic `t`, group `g`, and a member that need not exist.
 */
import type { Writer } from '#wire/writer.ts';
import { batch, Key } from './kafka-peer.ts';

const NO_ID = new Uint8Array(16);
const BATCH = batch(['value', ['key', 'another']]);

/** Writes a body; `id` is the topic's. */
type Sample = (w: Writer, version: number, id: Uint8Array) => void;

const topicName = (w: Writer, byId: boolean, id: Uint8Array): Writer =>
  byId ? w.uuid(id) : w.string('t');

const produce: Sample = (w, v, id) => {
  if (v >= 3) w.nullableString(null);
  w.int16(-1).int32(1000).arrayLength(1);
  topicName(w, v >= 13, id)
    .arrayLength(1)
    .int32(0)
    .bytes(BATCH)
    .tags()
    .tags()
    .tags();
};

const fetch: Sample = (w, v, id) => {
  if (v < 15) w.int32(-1);
  w.int32(10)
    .int32(1)
    .int32(1 << 20)
    .int8(0);
  if (v >= 7) w.int32(0).int32(0);
  w.arrayLength(1);
  topicName(w, v >= 13, id)
    .arrayLength(1)
    .int32(0);
  if (v >= 9) w.int32(-1);
  w.int64(0);
  if (v >= 12) w.int32(-1);
  if (v >= 5) w.int64(-1);
  w.int32(1 << 20)
    .tags()
    .tags();
  if (v >= 7) w.arrayLength(0);
  if (v >= 11) w.string('rack');
  w.tags();
};

const listOffsets: Sample = (w, v) => {
  w.int32(-1);
  if (v >= 2) w.int8(0);
  w.arrayLength(1).string('t').arrayLength(3);
  for (const timestamp of [-1, -3, 1_700_000_000_000]) {
    w.int32(0);
    if (v >= 4) w.int32(-1);
    w.int64(timestamp).tags();
  }
  w.tags();
  if (v >= 10) w.int32(1000);
  w.tags();
};

const metadata: Sample = (w, v, id) => {
  w.arrayLength(v >= 12 ? 2 : 1);
  if (v >= 10) w.uuid(NO_ID).nullableString('t').tags();
  else w.string('t').tags();
  if (v >= 12) w.uuid(id).nullableString(null).tags();
  if (v >= 4) w.bool(true);
  if (v >= 8 && v <= 10) w.bool(true);
  if (v >= 8) w.bool(true);
  w.tags();
};

const offsetCommit: Sample = (w, v, id) => {
  w.string('g').int32(-1).string('');
  if (v >= 7) w.nullableString(null);
  if (v <= 4) w.int64(-1);
  w.arrayLength(1);
  topicName(w, v >= 10, id)
    .arrayLength(1)
    .int32(0)
    .int64(1);
  if (v >= 6) w.int32(0);
  w.nullableString('note').tags().tags().tags();
};

const offsetFetch: Sample = (w, v, id) => {
  if (v >= 8) w.arrayLength(1);
  w.string('g');
  if (v >= 9) w.nullableString(null).int32(-1);
  w.arrayLength(1);
  topicName(w, v >= 10, id)
    .int32Array([0, 1])
    .tags();
  if (v >= 8) w.tags();
  if (v >= 7) w.bool(true);
  w.tags();
};

const joinGroup: Sample = (w, v) => {
  w.string('g').int32(10_000);
  if (v >= 1) w.int32(10_000);
  w.string('');
  if (v >= 5) w.nullableString(v % 2 === 0 ? 'instance' : null);
  w.string('consumer')
    .arrayLength(1)
    .string('range')
    .bytes(Buffer.from([0, 0, 0, 0, 0, 0]))
    .tags();
  if (v >= 8) w.nullableString('reason');
  w.tags();
};

const syncGroup: Sample = (w, v) => {
  w.string('g').int32(1).string('member');
  if (v >= 3) w.nullableString(null);
  if (v >= 5) w.nullableString('consumer').nullableString('range');
  w.arrayLength(1).string('member').bytes(Buffer.from('share')).tags().tags();
};

const leaveGroup: Sample = (w, v) => {
  w.string('g');
  if (v < 3) w.string('member');
  else w.arrayLength(1).string('member').nullableString('instance');
  if (v >= 5) w.nullableString('reason');
  if (v >= 3) w.tags().tags();
};

const createTopics: Sample = (w) => {
  w.arrayLength(2).string('made').int32(1).int16(1).arrayLength(0).arrayLength(1);
  w.string('retention.ms').nullableString('1000').tags().tags();
  w.string('assigned').int32(-1).int16(-1).arrayLength(1).int32(0).int32Array([1]).tags();
  w.arrayLength(0).tags().int32(1000).bool(false).tags();
};

const deleteTopics: Sample = (w, v) => {
  w.arrayLength(1);
  if (v >= 6) w.nullableString('made').uuid(NO_ID).tags();
  else w.string('made');
  w.int32(1000).tags();
};

const describeConfigs: Sample = (w, v) => {
  w.arrayLength(2).int8(2).string('t').arrayLength(1).string('retention.ms').tags();
  w.int8(4).string('1').arrayLength(-1).tags().bool(true);
  if (v >= 3) w.bool(true);
  w.tags();
};

const findCoordinator: Sample = (w, v) => {
  if (v < 4) w.string('g');
  if (v >= 1) w.int8(0);
  if (v >= 4) w.arrayLength(1).string('g');
  w.tags();
};

export const SAMPLES: ReadonlyMap<number, Sample> = new Map<number, Sample>([
  [Key.Produce, produce],
  [Key.Fetch, fetch],
  [Key.ListOffsets, listOffsets],
  [Key.Metadata, metadata],
  [Key.OffsetCommit, offsetCommit],
  [Key.OffsetFetch, offsetFetch],
  [Key.FindCoordinator, findCoordinator],
  [Key.JoinGroup, joinGroup],
  [Key.SyncGroup, syncGroup],
  [Key.LeaveGroup, leaveGroup],
  [
    Key.Heartbeat,
    (w, v) => {
      w.string('g').int32(1).string('member');
      if (v >= 3) w.nullableString('instance');
      w.tags();
    },
  ],
  [
    Key.DescribeGroups,
    (w, v) => {
      w.arrayLength(1).string('g');
      if (v >= 3) w.bool(true);
      w.tags();
    },
  ],
  [
    Key.ListGroups,
    (w, v) => {
      if (v >= 4) w.arrayLength(1).string('Stable');
      if (v >= 5) w.arrayLength(1).string('classic');
      w.tags();
    },
  ],
  [Key.DeleteGroups, (w) => w.arrayLength(1).string('g2').tags()],
  [
    Key.ApiVersions,
    (w, v) => {
      if (v >= 3) w.string('sample').string('1.0').tags();
    },
  ],
  [Key.CreateTopics, createTopics],
  [Key.DeleteTopics, deleteTopics],
  [
    Key.DeleteRecords,
    (w) =>
      w.arrayLength(1).string('t').arrayLength(1).int32(0).int64(0).tags().tags().int32(9).tags(),
  ],
  [
    Key.CreatePartitions,
    (w) =>
      w.arrayLength(1).string('made').int32(2).arrayLength(-1).tags().int32(9).bool(true).tags(),
  ],
  [
    Key.InitProducerId,
    (w, v) => {
      w.nullableString(null).int32(1000);
      if (v >= 3) w.int64(-1).int16(-1);
      w.tags();
    },
  ],
  [
    Key.OffsetForLeaderEpoch,
    (w, v) => {
      if (v >= 3) w.int32(-2);
      w.arrayLength(1).string('t').arrayLength(1).int32(0).int32(-1).int32(1).tags().tags().tags();
    },
  ],
  [Key.DescribeConfigs, describeConfigs],
  [
    Key.AlterConfigs,
    (w) => {
      w.arrayLength(1).int8(2).string('t').arrayLength(1).string('retention.ms');
      w.nullableString('604800000').tags().tags().bool(false).tags();
    },
  ],
  [
    Key.IncrementalAlterConfigs,
    (w) => {
      w.arrayLength(1).int8(2).string('t').arrayLength(1).string('cleanup.policy').int8(2);
      w.nullableString('delete').tags().tags().bool(false).tags();
    },
  ],
  [Key.OffsetDelete, (w) => w.string('g').arrayLength(1).string('t').int32Array([0])],
  [
    Key.DescribeCluster,
    (w, v) => {
      w.bool(true);
      if (v >= 1) w.int8(1);
      if (v >= 2) w.bool(false);
      w.tags();
    },
  ],
  [
    Key.DescribeTopicPartitions,
    (w) => w.arrayLength(1).string('t').tags().int32(10).int8(-1).tags(),
  ],
  [Key.DescribeLogDirs, (w) => w.arrayLength(1).string('t').int32Array([0]).tags().tags()],
]);
