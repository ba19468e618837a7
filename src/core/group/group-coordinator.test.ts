import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { GroupCoordinator, type OffsetToCommit } from './group-coordinator.ts';
import { GroupState } from './group.ts';
import type { JoinRequest, JoinResult, SyncResult } from './group-member.ts';
import { type LogConfig, Sync } from '../log.ts';
import type { Ports } from '../ports.ts';
import { Schedule } from '../schedule.ts';
import { hashesPort } from '#server/hashes.ts';
import { MemoryStore } from '#storage/memory-store.ts';

const CONFIG: LogConfig = {
  sync: Sync.Commit,
  segmentBytesMax: 1024 * 1024,
  segmentAgeMsMax: Number.MAX_SAFE_INTEGER,
  indexIntervalBytes: 4096,
  retentionMs: -1,
  retentionBytes: -1,
  ephemeral: false,
};

let store: MemoryStore;
let nowMs: number;
let schedule: Schedule;
let groups: GroupCoordinator;
let nextByte = 0;
const ports: Ports = {
  clock: { now: () => nowMs },
  random: { next: () => 0.5, bytes: (length) => new Uint8Array(length).fill(++nextByte) },
  hashes: hashesPort,
  defer: setImmediate,
  log: { error: () => {}, warn: () => {}, info: () => {} },
};

beforeEach(async () => {
  nowMs = 1_000_000;
  store = new MemoryStore(ports);
  groups = await opened();
});

/** As after a restart: everything is read again from the log. */
async function opened(): Promise<GroupCoordinator> {
  schedule = new Schedule();
  const log = await store.open('state/offsets', CONFIG);
  return GroupCoordinator.open(log, { commit: store.commit, schedule, ports });
}

function committed(): Promise<void> {
  return new Promise((resolve) => groups.afterCommit(resolve));
}

function advance(ms: number): void {
  const end = nowMs + ms;
  while (schedule.nextMs <= end) {
    nowMs = Math.max(nowMs, schedule.nextMs);
    schedule.due(nowMs);
  }
  nowMs = end;
}

function join(memberId: string, change: Partial<JoinRequest> = {}): JoinResult[] {
  const results: JoinResult[] = [];
  const request = {
    groupId: 'g',
    memberId,
    instanceId: null,
    clientId: 'client',
    clientHost: '/1',
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('meta') }],
    knownMemberRequired: false,
    skipAssignmentSupported: false,
  };
  groups.join({ ...request, ...change }, (result) => results.push(result));
  return results;
}

function sync(
  memberId: string,
  generation: number,
  share: string,
  instanceId: string | null = null,
) {
  const results: SyncResult[] = [];
  const assignments = new Map([[memberId, Buffer.from(share)]]);
  const request = { groupId: 'g', memberId, instanceId, generation, assignments };
  groups.sync({ ...request, protocolType: null, protocolName: null }, (r) => results.push(r));
  return results;
}

const at = (partition: number, offset: number): OffsetToCommit => ({
  topic: 't',
  partition,
  offset,
  leaderEpoch: 3,
  metadata: 'note ü',
});

test('an answer to a commit waits until it is safe, and answers keep their order', async () => {
  const order: string[] = [];
  groups.commitOffsets('g', [at(0, 1)], null, () => order.push('first'));
  groups.commitOffsets('h', [at(0, 2)], null, () => order.push('second'));
  assert.deepEqual(order, []);
  await committed();
  assert.deepEqual(order, ['first', 'second']);
});

test('offsets are there after a restart, with all they said', async () => {
  groups.commitOffsets('g', [at(0, 1), at(1, 5)], null, () => {});
  groups.commitOffsets('g', [at(0, 7)], 5000, () => {});
  groups.deleteOffset('g', 't', 1);
  await committed();
  const expected = groups.offset('g', 't', 0);
  groups = await opened();
  assert.deepEqual(groups.offset('g', 't', 0), expected);
  assert.deepEqual(expected, {
    offset: 7,
    leaderEpoch: 3,
    metadata: 'note ü',
    committedAtMs: nowMs,
    expiresAtMs: nowMs + 5000,
  });
  assert.equal(groups.offset('g', 't', 1), null);
  assert.equal(groups.groups.get('g')!.state, GroupState.Empty);
});

test('members go on after a restart as if nothing had been', async () => {
  const [leader] = join('', { instanceId: 'i1' });
  const { memberId } = leader!;
  const synced = sync(memberId, 1, 'share', 'i1');
  await committed();
  assert.equal(synced.length, 1);
  groups = await opened();
  const group = groups.groups.get('g')!;
  assert.equal(group.state, GroupState.Stable);
  assert.equal(groups.heartbeat('g', memberId, 'i1', 1), null);
  const [again] = sync(memberId, 1, '', 'i1');
  assert.equal(Buffer.from(again!.assignment).toString(), 'share');
  assert.equal(
    groups.commitError('g', { memberId, instanceId: 'i1', generation: 1, retentionMs: null }),
    null,
  );
  // Their sessions began anew.
  advance(9_999);
  assert.equal(group.members.size, 1);
  advance(1);
  assert.equal(group.members.size, 0);
  assert.equal(group.state, GroupState.Empty);
  await committed();
  groups = await opened();
  assert.deepEqual(
    [groups.groups.get('g')!.state, groups.groups.get('g')!.generation],
    [GroupState.Empty, 2],
  );
});

test('a rebalance that was not finished is forgotten: its members join again', async () => {
  join('');
  await committed();
  groups = await opened();
  assert.equal(groups.groups.has('g'), false);
  assert.equal(groups.heartbeat('g', 'client-1', null, 1), 'unknown-member');
});

test('a deleted group is gone with its offsets, also after a restart', async () => {
  groups.commitOffsets('g', [at(0, 1)], null, () => {});
  assert.equal(groups.deleteGroup('g'), null);
  assert.equal(groups.deleteGroup('g'), 'group-not-found');
  await committed();
  groups = await opened();
  assert.equal(groups.offset('g', 't', 0), null);
  assert.equal(groups.groups.size, 0);
});

test('a group can be deleted as soon as the last session is over, though no timer ran yet', async () => {
  const { memberId } = join('')[0]!;
  sync(memberId, 1, 'share');
  await committed();
  nowMs += 9_999;
  assert.equal(groups.deleteGroup('g'), 'not-empty');
  nowMs += 1;
  assert.equal(groups.deleteGroup('g'), null);
  schedule.due(nowMs);
  assert.equal(groups.groups.size, 0);
});

test('offsets expire: by the consumer, by the retention, not while there are members', async () => {
  const week = groups.limits.offsetsRetentionMs;
  groups.commitOffsets('asked', [at(0, 1)], 1000, () => {});
  groups.commitOffsets('simple', [at(0, 1)], null, () => {});
  const { memberId } = join('')[0]!;
  sync(memberId, 1, 'share');
  await committed();
  groups.commitOffsets('g', [at(0, 1)], null, () => {});
  advance(groups.limits.offsetsCheckMs);
  assert.equal(groups.groups.has('asked'), false);
  assert.equal(groups.groups.get('g')!.state, GroupState.Empty, 'its session is over');
  assert.ok(groups.offset('simple', 't', 0));
  advance(week - groups.limits.offsetsCheckMs);
  assert.equal(groups.offset('simple', 't', 0), null, 'counted from the commit');
  assert.ok(groups.offset('g', 't', 0), 'counted from when it became empty');
  advance(groups.limits.offsetsCheckMs);
  assert.equal(groups.groups.size, 0);
  await committed();
  groups = await opened();
  assert.equal(groups.groups.size, 0);
});

test('a group that refused its first member leaves nothing behind', () => {
  assert.equal(join('', { protocols: [] })[0]!.error, 'inconsistent-protocol');
  assert.equal(groups.groups.size, 0);
});

test('groups of two namespaces know nothing of each other, also after a restart', async () => {
  const others = groups.of('other');
  assert.equal(groups.of('other'), others);
  groups.commitOffsets('g', [at(0, 7)], null, () => {});
  others.commitOffsets('g', [at(0, 9)], null, () => {});
  others.commitOffsets('only here', [at(0, 1)], null, () => {});
  await committed();
  for (const again of [groups, await opened()]) {
    assert.equal(again.offset('g', 't', 0)?.offset, 7);
    assert.equal(again.of('other').offset('g', 't', 0)?.offset, 9);
    assert.deepEqual([...again.groups.keys()], ['g']);
    assert.deepEqual([...again.of('other').groups.keys()], ['g', 'only here']);
  }
  assert.equal(others.deleteGroup('g'), null);
  assert.equal(groups.offset('g', 't', 0)?.offset, 7);
});
