import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Group, type GroupHost, GroupState } from './group.ts';
import type { JoinRequest, JoinResult, SyncResult } from './group-member.ts';
import { Schedule } from '../schedule.ts';

/** A coordinator that commits when told to. */
class Host implements GroupHost {
  readonly schedule = new Schedule();
  initialDelayMs = 0;
  now = 1000;
  persisted: (() => void)[] = [];
  #ids = 0;

  nowMs(): number {
    return this.now;
  }
  at(timeMs: number, task: () => void): ReturnType<Schedule['at']> {
    return this.schedule.at(timeMs, task);
  }
  cancel(timer: ReturnType<Schedule['at']>): void {
    this.schedule.cancel(timer);
  }
  newMemberId(prefix: string): string {
    return `${prefix}-${++this.#ids}`;
  }
  persist(_group: Group, _assignments: unknown, then: () => void): void {
    this.persisted.push(then);
  }
  commit(): void {
    for (const then of this.persisted.splice(0)) then();
  }
  advance(ms: number): void {
    const end = this.now + ms;
    while (this.schedule.nextMs <= end) {
      this.now = Math.max(this.now, this.schedule.nextMs);
      this.schedule.due(this.now);
    }
    this.now = end;
  }
}

let host: Host;
let group: Group;
beforeEach(() => {
  host = new Host();
  group = new Group('g', host);
});

function joining(memberId: string, change: Partial<JoinRequest> = {}): JoinResult[] {
  const results: JoinResult[] = [];
  group.join(
    {
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
      ...change,
    },
    (result) => results.push(result),
  );
  return results;
}

function syncing(
  memberId: string,
  generation: number,
  assignments: Record<string, string> = {},
  instanceId: string | null = null,
): SyncResult[] {
  const results: SyncResult[] = [];
  const map = new Map(Object.entries(assignments).map(([id, text]) => [id, Buffer.from(text)]));
  group.sync(
    {
      groupId: 'g',
      memberId,
      instanceId,
      generation,
      protocolType: null,
      protocolName: null,
      assignments: map,
    },
    (result) => results.push(result),
  );
  return results;
}

/** A stable group of these members; the first leads. Returns their ids. */
function stable(count: number, change: Partial<JoinRequest> = {}): string[] {
  const [first] = joining('', change);
  const ids = [first!.memberId];
  for (let i = 1; i < count; i++) {
    const news = joining('', change);
    const again = ids.map((id) => joining(id, change)[0]);
    ids.push(news[0]!.memberId);
    assert.equal(again[0]!.error, null);
  }
  const { generation } = group;
  const followers = ids.slice(1).map((id) => syncing(id, generation));
  const leader = syncing(ids[0]!, generation, Object.fromEntries(ids.map((id) => [id, `a-${id}`])));
  host.commit();
  for (const [i, results] of [leader, ...followers].entries()) {
    assert.equal(Buffer.from(results[0]!.assignment).toString(), `a-${ids[i]}`);
  }
  assert.equal(group.state, GroupState.Stable);
  return ids;
}

describe('joining', () => {
  test('the first member leads generation 1 and sees all members', () => {
    const [result] = joining('');
    assert.equal(result!.error, null);
    assert.equal(result!.generation, 1);
    assert.equal(result!.leaderId, result!.memberId);
    assert.equal(result!.members.length, 1);
    assert.equal(group.state, GroupState.Completing);
  });

  test('a new member that must be known is told its id and joins with it', () => {
    const [told] = joining('', { knownMemberRequired: true });
    assert.equal(told!.error, 'member-id-required');
    assert.equal(group.members.size, 0);
    assert.equal(group.pendingCount, 1);
    const [joined] = joining(told!.memberId, { knownMemberRequired: true });
    assert.equal(joined!.error, null);
    assert.equal(joined!.memberId, told!.memberId);
  });

  test('an id that was handed out and not used expires, and no longer holds up the others', () => {
    const [leader] = stable(1);
    joining('', { knownMemberRequired: true });
    const again = joining(leader!, {
      protocols: [{ name: 'range', metadata: Buffer.from('new') }],
    });
    assert.equal(again.length, 0, 'the rebalance waits for the one that was invited');
    host.advance(10_001);
    assert.equal(again[0]!.generation, 2);
  });

  test('an unknown member id is refused', () => {
    stable(1);
    assert.equal(joining('nobody')[0]!.error, 'unknown-member');
  });

  test('protocols that not all support are refused', () => {
    stable(1);
    const protocols = [{ name: 'sticky', metadata: Buffer.from('') }];
    assert.equal(joining('', { protocols })[0]!.error, 'inconsistent-protocol');
    assert.equal(joining('', { protocolType: 'connect' })[0]!.error, 'inconsistent-protocol');
    assert.equal(joining('', { protocols: [] })[0]!.error, 'inconsistent-protocol');
  });

  test('the protocol is chosen by votes among those that all support', () => {
    const named = (...names: string[]): Partial<JoinRequest> => ({
      protocols: names.map((name) => ({ name, metadata: Buffer.from(name) })),
    });
    const first = joining('', named('a', 'b', 'c'))[0]!;
    const second = joining('', named('c', 'b'));
    const third = joining('', named('b', 'c'));
    joining(first.memberId, named('a', 'b', 'c'));
    assert.equal(second[0]!.protocolName, 'b');
    assert.equal(third[0]!.protocolName, 'b');
  });

  test('a second member makes the first join again; a follower that repeats itself is answered', () => {
    const [leader] = stable(1);
    const second = joining('');
    assert.equal(second.length, 0);
    assert.equal(group.heartbeat(leader!, null, 1), 'rebalance-in-progress');
    const [again] = joining(leader!);
    assert.equal(again!.members.length, 2);
    assert.equal(second[0]!.members.length, 0);
    assert.equal(second[0]!.generation, 2);
    // Its answer was lost.
    assert.equal(joining(second[0]!.memberId)[0]!.generation, 2);
  });

  test('who does not join again by the rebalance timeout is dropped', () => {
    const [leader] = stable(1);
    const second = joining('');
    // It lives, but it does not come.
    for (let i = 0; i < 6; i++) {
      host.advance(5_000);
      group.heartbeat(leader!, null, 1);
    }
    host.advance(1_000);
    assert.equal(second[0]!.generation, 2);
    assert.equal(second[0]!.leaderId, second[0]!.memberId);
    assert.equal(group.heartbeat(leader!, null, 1), 'unknown-member');
  });

  test('with an initial delay the first members wait for each other', () => {
    host.initialDelayMs = 3000;
    const first = joining('');
    const second = joining('');
    assert.deepEqual([first.length, second.length], [0, 0]);
    host.advance(3000);
    assert.equal(first[0]!.members.length, 2);
    assert.equal(second[0]!.generation, 1);
  });
});

describe('sync', () => {
  test('followers wait for the leader, and all for the commit', () => {
    const a = joining('')[0]!.memberId;
    const late = joining('');
    joining(a);
    const b = late[0]!.memberId;
    const follower = syncing(b, 2);
    assert.equal(follower.length, 0);
    const leader = syncing(a, 2, { [a]: 'x', [b]: 'y' });
    assert.deepEqual([leader.length, follower.length], [0, 0], 'not committed');
    host.commit();
    assert.equal(Buffer.from(follower[0]!.assignment).toString(), 'y');
    assert.equal(Buffer.from(leader[0]!.assignment).toString(), 'x');
    assert.equal(Buffer.from(syncing(b, 2)[0]!.assignment).toString(), 'y', 'again when stable');
  });

  test('a stale generation, a wrong protocol and an unknown member are refused', () => {
    const [id] = stable(1);
    assert.equal(syncing(id!, 0)[0]!.error, 'stale-generation');
    assert.equal(syncing('nobody', 1)[0]!.error, 'unknown-member');
    const refused: SyncResult[] = [];
    const request = { groupId: 'g', memberId: id!, instanceId: null, generation: 1 };
    const rest = { protocolType: 'connect', protocolName: null, assignments: new Map() };
    group.sync({ ...request, ...rest }, (result) => refused.push(result));
    assert.equal(refused[0]!.error, 'inconsistent-protocol');
  });

  test('a rebalance that begins before the assignment is committed wins', () => {
    const id = joining('')[0]!.memberId;
    const sync = syncing(id, 1, { [id]: 'x' });
    joining('');
    assert.equal(sync[0]!.error, 'rebalance-in-progress');
    host.commit();
    assert.equal(group.state, GroupState.Preparing);
  });

  test('who joined but never syncs is dropped after the rebalance timeout', () => {
    const a = joining('')[0]!.memberId;
    const late = joining('');
    joining(a);
    const b = late[0]!.memberId;
    syncing(a, 2, { [a]: 'x', [b]: 'y' });
    host.commit();
    for (let i = 0; i < 7; i++) {
      host.advance(4_500);
      group.heartbeat(a, null, 2);
      group.heartbeat(b, null, 2);
    }
    assert.deepEqual([...group.members.keys()], [a]);
  });
});

describe('staying and leaving', () => {
  test('heartbeats keep a member; without them its session ends', () => {
    const [a, b] = stable(2);
    for (let i = 0; i < 5; i++) {
      host.advance(6_000);
      assert.equal(group.heartbeat(a!, null, 2), i < 1 ? null : 'rebalance-in-progress');
    }
    assert.equal(group.members.has(b!), false);
    assert.equal(group.state, GroupState.Preparing);
  });

  test('a member that waits in join is not expired', () => {
    const [leader] = stable(1, { rebalanceTimeoutMs: 60_000 });
    joining('', { rebalanceTimeoutMs: 60_000 });
    for (let i = 0; i < 8; i++) {
      host.advance(6_000);
      group.heartbeat(leader!, null, 1);
    }
    assert.equal(group.members.size, 2);
  });

  test('the last one to leave empties the group, which is persisted', () => {
    const [id] = stable(1);
    assert.equal(group.leave(id!, null), null);
    assert.equal(group.state, GroupState.Empty);
    assert.equal(group.generation, 2);
    assert.equal(host.persisted.length, 1);
    assert.equal(group.leave(id!, null), 'unknown-member');
    assert.equal(group.heartbeat(id!, null, 2), 'unknown-member');
  });

  test('a waiting member whose connection goes is forgotten if it never heard its id', () => {
    const [leader] = stable(1);
    joining('');
    const member = [...group.members.values()].find((each) => each.id !== leader)!;
    group.abandon(member);
    assert.deepEqual([...group.members.keys()], [leader]);
    assert.equal(joining(leader!)[0]!.generation, 2);
  });

  test('commits: by members of this generation, by nobody while the leader assigns', () => {
    assert.equal(group.commitError('', null, -1), null);
    const [id] = stable(1);
    assert.equal(group.commitError(id!, null, 1), null);
    assert.equal(group.commitError(id!, null, 0), 'stale-generation');
    assert.equal(group.commitError('', null, -1), 'unknown-member');
    joining('');
    assert.equal(group.commitError(id!, null, 1), null, 'what was read before the rebalance');
    joining(id!);
    assert.equal(group.commitError(id!, null, 2), 'rebalance-in-progress');
  });
});

describe('static members (KIP-345)', () => {
  const STATIC = { instanceId: 'i1', knownMemberRequired: true };

  test('an instance that comes back keeps its assignment without a rebalance', () => {
    const [id] = stable(1, STATIC);
    const back = joining('', STATIC);
    assert.equal(back.length, 0, 'the new member id is persisted first');
    host.commit();
    assert.equal(back[0]!.generation, 1);
    assert.notEqual(back[0]!.memberId, id);
    assert.equal(back[0]!.leaderId, id, 'it must not assign again');
    const sync = syncing(back[0]!.memberId, 1, {}, 'i1');
    assert.equal(Buffer.from(sync[0]!.assignment).toString(), `a-${id}`);
  });

  test('a leader that understands it is told to skip the assignment (KIP-814)', () => {
    stable(1, STATIC);
    const back = joining('', { ...STATIC, skipAssignmentSupported: true });
    host.commit();
    assert.equal(back[0]!.skipAssignment, true);
    assert.equal(back[0]!.leaderId, back[0]!.memberId);
    assert.equal(back[0]!.members.length, 1);
  });

  test('who still uses the old member id is fenced', () => {
    const [id] = stable(1, STATIC);
    joining('', STATIC);
    host.commit();
    assert.equal(group.heartbeat(id!, 'i1', 1), 'fenced-instance');
    assert.equal(syncing(id!, 1, {}, 'i1')[0]!.error, 'fenced-instance');
    assert.equal(group.commitError(id!, 'i1', 1), 'fenced-instance');
    assert.equal(joining(id!, STATIC)[0]!.error, 'fenced-instance');
  });

  test('another subscription is none, another choice of protocol is a rebalance', () => {
    stable(1, STATIC);
    const said = [{ name: 'range', metadata: Buffer.from('owned partitions') }];
    const back = joining('', { ...STATIC, protocols: said });
    host.commit();
    assert.equal(back[0]!.generation, 1);
    const other = [{ name: 'sticky', metadata: Buffer.from('') }, ...said];
    assert.equal(joining('', { ...STATIC, protocols: other })[0]!.generation, 2);
  });

  test('it stays through a rebalance that it misses, and leaves by its instance alone', () => {
    stable(1, STATIC);
    const second = joining('');
    host.advance(9_000);
    const [member] = group.members.values();
    group.heartbeat(member!.id, 'i1', 1);
    host.advance(9_000);
    group.heartbeat(member!.id, 'i1', 1);
    host.advance(9_000);
    group.heartbeat(member!.id, 'i1', 1);
    host.advance(4_000);
    assert.equal(second[0]!.generation, 2);
    assert.equal(group.members.size, 2);
    assert.equal(group.leave('', 'i1'), null);
    assert.equal(group.members.size, 1);
    assert.equal(group.leave('', 'i1'), 'unknown-member');
  });
});

test('ids that nobody comes back with are forgotten when there are too many', () => {
  const [first] = joining('', { knownMemberRequired: true });
  let last = first;
  for (let i = 0; i < 2000; i++) [last] = joining('', { knownMemberRequired: true });
  assert.equal(group.pendingCount, 1000);
  assert.equal(joining(first!.memberId)[0]!.error, 'unknown-member');
  assert.equal(joining(last!.memberId)[0]?.error ?? null, null);
  assert.equal(group.pendingCount, 999);
});
