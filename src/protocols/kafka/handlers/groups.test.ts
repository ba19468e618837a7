import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Key, KafkaPeer, kafkaOf } from '#test/drive/kafka-peer.ts';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import type { Protocol } from '#protocols/contract.ts';
import type { Reader } from '#wire/reader.ts';
import type { Writer } from '#wire/writer.ts';

let memory: MemoryBroker;
let protocol: Protocol;
let peer: KafkaPeer;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  const request = { partitions: 2, replicationFactor: 1, config: {} };
  memory.broker.defaultNamespace.createTopic('t', request);
  await memory.settle();
  protocol = kafkaOf(memory);
  peer = new KafkaPeer(memory, protocol);
});

/** version i16 | topics [string] | user data, as consumers subscribe. */
const SUBSCRIPTION = Buffer.from([0, 0, 0, 0, 0, 1, 0, 1, 0x74, 0xff, 0xff, 0xff, 0xff]);

function joinBody(version: number, memberId: string, instanceId: string | null = null) {
  return (w: Writer): void => {
    w.string('g').int32(10_000);
    if (version >= 1) w.int32(30_000);
    w.string(memberId);
    if (version >= 5) w.nullableString(instanceId);
    w.string('consumer').arrayLength(1).string('range').bytes(SUBSCRIPTION).tags();
    if (version >= 8) w.nullableString('because');
    w.tags();
  };
}

interface Joined {
  error: number;
  generation: number;
  protocolName: string | null;
  leader: string;
  memberId: string;
  members: string[];
}

function readJoin(reader: Reader, version: number): Joined {
  if (version >= 2) assert.equal(reader.int32(), 0);
  const error = reader.int16();
  const generation = reader.int32();
  if (version >= 7) reader.nullableString();
  const protocolName = version >= 7 ? reader.nullableString() : reader.string();
  const leader = reader.string();
  if (version >= 9) reader.bool();
  const memberId = reader.string();
  const members = reader.array((r) => {
    const id = r.string();
    if (version >= 5) r.nullableString();
    assert.deepEqual(Buffer.from(r.ownBytes()), SUBSCRIPTION);
    r.tags();
    return id;
  });
  reader.tags();
  assert.equal(reader.remaining, 0);
  return { error, generation, protocolName, leader, memberId, members };
}

async function join(version: number, memberId = '', instanceId?: string): Promise<Joined> {
  const body = joinBody(version, memberId, instanceId ?? null);
  return readJoin(await peer.ask(Key.JoinGroup, version, body), version);
}

async function sync(version: number, memberId: string, generation: number): Promise<string> {
  const answer = await peer.ask(Key.SyncGroup, version, (w) => {
    w.string('g').int32(generation).string(memberId);
    if (version >= 3) w.nullableString(null);
    if (version >= 5) w.nullableString('consumer').nullableString('range');
    w.arrayLength(1).string(memberId).bytes(Buffer.from('share')).tags().tags();
  });
  if (version >= 1) answer.int32();
  assert.equal(answer.int16(), 0);
  if (version >= 5) {
    assert.deepEqual([answer.nullableString(), answer.nullableString()], ['consumer', 'range']);
  }
  const assignment = Buffer.from(answer.ownBytes()).toString();
  answer.tags();
  assert.equal(answer.remaining, 0);
  return assignment;
}

async function heartbeat(memberId: string, generation: number): Promise<number> {
  const body = (w: Writer): void =>
    void w.string('g').int32(generation).string(memberId).nullableString(null).tags();
  const answer = await peer.ask(Key.Heartbeat, 4, body);
  answer.int32();
  return answer.int16();
}

describe('JoinGroup and SyncGroup, every version', () => {
  for (let version = 0; version <= 9; version++) {
    test(`join v${version}`, async () => {
      let joined = await join(version);
      if (version >= 4) {
        assert.equal(joined.error, 79);
        joined = await join(version, joined.memberId);
      }
      assert.equal(joined.error, 0);
      assert.deepEqual([joined.generation, joined.protocolName], [1, 'range']);
      assert.equal(joined.leader, joined.memberId);
      assert.deepEqual(joined.members, [joined.memberId]);
      assert.match(joined.memberId, /^peer-[0-9a-f-]{36}$/);
      const syncVersion = Math.min(version, 5);
      assert.equal(await sync(syncVersion, joined.memberId, 1), 'share');
      assert.equal(await heartbeat(joined.memberId, 1), 0);
      assert.equal(await heartbeat(joined.memberId, 2), 22);
    });
  }

  test('refusals: no group id, a session timeout out of bounds, an unknown member', async () => {
    const refused = async (groupId: string, sessionTimeoutMs: number, id: string) => {
      const answer = await peer.ask(Key.JoinGroup, 0, (w) => {
        w.string(groupId).int32(sessionTimeoutMs).string(id).string('consumer').arrayLength(1);
        w.string('range').bytes(SUBSCRIPTION);
      });
      return answer.int16();
    };
    assert.equal(await refused('', 10_000, ''), 24);
    assert.equal(await refused('g', 10, ''), 26);
    assert.equal(await refused('g', 10_000, 'nobody'), 25);
    assert.equal(memory.broker.groups.groups.size, 0);
  });
});

describe('a waiting member', () => {
  test('is answered when the others have joined; its connection may go instead', async () => {
    const first = await join(3);
    await sync(3, first.memberId, 1);
    const second = new KafkaPeer(memory, protocol);
    second.send(Key.JoinGroup, 3, joinBody(3, ''));
    await memory.settle();
    assert.equal(second.next(Key.JoinGroup, 3), null);
    assert.equal(await heartbeat(first.memberId, 1), 27);
    second.driven.connection.close('gone');
    const again = await join(3, first.memberId);
    assert.deepEqual([again.error, again.generation, again.members.length], [0, 2, 1]);
  });
});

describe('offsets', () => {
  async function commit(version: number, memberId: string, generation: number, metadata = 'm') {
    const topicId = memory.broker.defaultNamespace.topic('t').id;
    const answer = await peer.ask(Key.OffsetCommit, version, (w) => {
      w.string('g').int32(generation).string(memberId);
      if (version >= 7) w.nullableString(null);
      if (version <= 4) w.int64(-1);
      w.arrayLength(1);
      if (version >= 10) w.uuid(topicId);
      else w.string('t');
      w.arrayLength(2);
      for (const partition of [0, 7]) {
        w.int32(partition).int64(40 + version);
        if (version >= 6) w.int32(3);
        w.nullableString(metadata).tags();
      }
      w.tags().tags();
    });
    if (version >= 3) answer.int32();
    const errors: number[] = [];
    answer.array((r) => {
      if (version >= 10) r.uuid();
      else r.string();
      r.array((each) => {
        each.int32();
        errors.push(each.int16());
        each.tags();
      });
      r.tags();
    });
    answer.tags();
    assert.equal(answer.remaining, 0);
    return errors;
  }

  async function fetchAll(version: number): Promise<[number, number, string | null][]> {
    const found: [number, number, string | null][] = [];
    const answer = await peer.ask(Key.OffsetFetch, version, (w) => {
      if (version >= 8) w.arrayLength(1);
      w.string('g');
      if (version >= 9) w.nullableString(null).int32(-1);
      if (version === 1) w.arrayLength(1).string('t').int32Array([0, 1]);
      else w.arrayLength(-1);
      if (version >= 8) w.tags();
      if (version >= 7) w.bool(false);
      w.tags();
    });
    const readTopics = (reader: Reader): void => {
      reader.array((r) => {
        if (version >= 10) r.uuid();
        else r.string();
        r.array((each) => {
          const partition = each.int32();
          const offset = each.int64();
          if (version >= 5) each.int32();
          found.push([partition, offset, each.nullableString()]);
          assert.equal(each.int16(), 0);
          each.tags();
        });
        r.tags();
      });
    };
    if (version >= 3) answer.int32();
    if (version >= 8) {
      answer.array((r) => {
        assert.equal(r.string(), 'g');
        readTopics(r);
        assert.equal(r.int16(), 0);
        r.tags();
      });
    } else {
      readTopics(answer);
      if (version >= 2) assert.equal(answer.int16(), 0);
    }
    answer.tags();
    assert.equal(answer.remaining, 0);
    return found;
  }

  for (let version = 2; version <= 10; version++) {
    test(`commit v${version} without members, and read back by every version`, async () => {
      assert.deepEqual(await commit(version, '', -1), [0, 3]);
      for (let fetched = 1; fetched <= 10; fetched++) {
        const all = await fetchAll(fetched);
        assert.deepEqual(all[0], [0, 40 + version, 'm']);
        if (fetched === 1) assert.deepEqual(all[1], [1, -1, '']);
      }
    });
  }

  test('only members of this generation commit, and not too long a text', async () => {
    const { memberId } = await join(3);
    assert.deepEqual(await commit(8, memberId, 1), [27, 27], 'while the leader assigns');
    await sync(3, memberId, 1);
    assert.deepEqual(await commit(8, memberId, 1), [0, 3]);
    assert.deepEqual(await commit(8, memberId, 0), [22, 22]);
    assert.deepEqual(await commit(8, 'nobody', 1), [25, 25]);
    assert.deepEqual(await commit(8, '', -1), [25, 25]);
    assert.deepEqual(await commit(8, memberId, 1, 'x'.repeat(5000)), [12, 3]);
  });

  test('they expire a week after the group became empty, and the group with them', async () => {
    const { memberId } = await join(3);
    await sync(3, memberId, 1);
    await commit(8, memberId, 1);
    const week = 7 * 24 * 3_600_000;
    for (let hours = 0; hours < 8 * 24; hours++) {
      for (let i = 0; i < 720; i++) {
        memory.nowMs += 5_000;
        memory.broker.groups.heartbeat('g', memberId, null, 1);
      }
      memory.broker.tick(memory.nowMs);
    }
    assert.equal(memory.broker.groups.offset('g', 't', 0)?.offset, 48, 'not while it has members');
    memory.broker.groups.leave('g', memberId, null);
    await memory.advance(week - 1_000_000);
    assert.equal(memory.broker.groups.offset('g', 't', 0)?.offset, 48);
    await memory.advance(1_000_000);
    await memory.advance(600_000);
    assert.equal(memory.broker.groups.offset('g', 't', 0), null);
    assert.equal(memory.broker.groups.groups.has('g'), false);
  });

  test('a deleted topic takes its offsets along', async () => {
    await commit(8, '', -1);
    memory.broker.defaultNamespace.deleteTopic('t');
    assert.equal(memory.broker.groups.offset('g', 't', 0), null);
  });

  test('OffsetDelete: what nobody reads any more', async () => {
    const remove = async (): Promise<[number, number[]]> => {
      const answer = await peer.ask(Key.OffsetDelete, 0, (w) => {
        w.string('g').arrayLength(1).string('t').int32Array([0, 7]);
      });
      const error = answer.int16();
      answer.int32();
      const errors: number[] = [];
      answer.array((r) => {
        r.string();
        r.array((each) => {
          each.int32();
          errors.push(each.int16());
        });
      });
      return [error, errors];
    };
    assert.deepEqual(await remove(), [69, []]);
    const { memberId } = await join(3);
    assert.deepEqual(await remove(), [0, [86, 3]], 'a member subscribes to it');
    await sync(3, memberId, 1);
    await commit(8, memberId, 1);
    memory.broker.groups.leave('g', memberId, null);
    assert.deepEqual(await remove(), [0, [0, 3]]);
    assert.equal(memory.broker.groups.offset('g', 't', 0), null);
  });
});

describe('administration', () => {
  for (let version = 0; version <= 6; version++) {
    test(`DescribeGroups v${version}`, async () => {
      const { memberId } = await join(3);
      await sync(3, memberId, 1);
      const answer = await peer.ask(Key.DescribeGroups, version, (w) => {
        w.array(['g', 'none'], (each, id) => each.string(id));
        if (version >= 3) w.bool(true);
        w.tags();
      });
      if (version >= 1) answer.int32();
      const groups = answer.array((r) => {
        const error = r.int16();
        if (version >= 6) r.nullableString();
        const words = [r.string(), r.string(), r.string(), r.string()];
        const members = r.array((each) => {
          const id = each.string();
          if (version >= 4) each.nullableString();
          const client = [each.string(), each.string()];
          const bytes = [each.ownBytes(), each.ownBytes()].map((part) => part.length);
          each.tags();
          return [id, ...client, ...bytes];
        });
        if (version >= 3) r.int32();
        r.tags();
        return { error, words, members };
      });
      answer.tags();
      assert.equal(answer.remaining, 0);
      assert.deepEqual(groups[0], {
        error: 0,
        words: ['g', 'Stable', 'consumer', 'range'],
        members: [[memberId, 'peer', '/127.0.0.1', SUBSCRIPTION.length, 5]],
      });
      assert.deepEqual(groups[1], {
        error: version >= 6 ? 69 : 0,
        words: ['none', 'Dead', '', ''],
        members: [],
      });
    });
  }

  test('ListGroups filters by state and type', async () => {
    await join(3);
    const list = async (states: string[], types: string[]): Promise<string[]> => {
      const answer = await peer.ask(Key.ListGroups, 5, (w) => {
        w.array(states, (each, state) => each.string(state));
        w.array(types, (each, type) => each.string(type)).tags();
      });
      answer.int32();
      assert.equal(answer.int16(), 0);
      return answer.array((r) => {
        const words = [r.string(), r.string(), r.string(), r.string()];
        r.tags();
        return words.join(' ');
      });
    };
    const all = ['g consumer CompletingRebalance classic'];
    assert.deepEqual(await list([], []), all);
    assert.deepEqual(await list(['completingrebalance'], ['Classic']), all);
    assert.deepEqual(await list(['Stable'], []), []);
    assert.deepEqual(await list([], ['consumer']), []);
  });

  test('DeleteGroups: only empty ones', async () => {
    const { memberId } = await join(3);
    const remove = async (): Promise<number[]> => {
      const answer = await peer.ask(Key.DeleteGroups, 2, (w) => {
        w.array(['g', 'none'], (each, id) => each.string(id)).tags();
      });
      answer.int32();
      return answer.array((r) => {
        r.string();
        const error = r.int16();
        r.tags();
        return error;
      });
    };
    assert.deepEqual(await remove(), [68, 69]);
    memory.broker.groups.leave('g', memberId, null);
    assert.deepEqual(await remove(), [0, 69]);
    assert.deepEqual(await remove(), [69, 69]);
  });

  test('LeaveGroup, one by one and many at once', async () => {
    const { memberId } = await join(3);
    const leave = await peer.ask(Key.LeaveGroup, 5, (w) => {
      w.string('g').arrayLength(2);
      for (const id of [memberId, 'nobody'])
        w.string(id).nullableString(null).nullableString('x').tags();
      w.tags();
    });
    leave.int32();
    assert.equal(leave.int16(), 0);
    const errors = leave.array((r) => {
      r.string();
      r.nullableString();
      const error = r.int16();
      r.tags();
      return error;
    });
    assert.deepEqual(errors, [0, 25]);
    const old = await peer.ask(Key.LeaveGroup, 0, (w) => w.string('g').string(memberId));
    assert.equal(old.int16(), 25);
  });
});
