/**
 * What the group coordinators keep in their journal (`state/offsets`), as JSON so that a dump of the
 * log can be read: keys ["offset", group, topic, partition] and ["group", group], and one more part,
 * the namespace's name, unless it is the default one.
 */
import { DEFAULT_NAMESPACE } from '../names.ts';
import { Group, type GroupHost, GroupState } from './group.ts';
import { GroupMember } from './group-member.ts';

export interface CommittedOffset {
  offset: number;
  /** -1 = not given. */
  leaderEpoch: number;
  /** The consumer's own text. */
  metadata: string;
  committedAtMs: number;
  /** When it expires by the consumer's own wish; null = by the broker's retention. */
  expiresAtMs: number | null;
}

export type JournalKey = { namespace: string; groupId: string } & (
  | { kind: 'offset'; topic: string; partition: number }
  | { kind: 'group' }
);

type OffsetKey = ['offset', string, string, number, string?];
type GroupKey = ['group', string, string?];

export function offsetKey(
  namespace: string,
  groupId: string,
  topic: string,
  partition: number,
): string {
  return JSON.stringify(['offset', groupId, topic, partition, ...suffix(namespace)]);
}

export function groupKey(namespace: string, groupId: string): string {
  return JSON.stringify(['group', groupId, ...suffix(namespace)]);
}

function suffix(namespace: string): string[] {
  return namespace === DEFAULT_NAMESPACE ? [] : [namespace];
}

export function parseKey(key: string): JournalKey {
  const parts = JSON.parse(key) as OffsetKey | GroupKey;
  if (parts[0] === 'group') {
    const [kind, groupId, namespace = DEFAULT_NAMESPACE] = parts;
    return { kind, groupId, namespace };
  }
  const [kind, groupId, topic, partition, namespace = DEFAULT_NAMESPACE] = parts;
  return { kind, groupId, topic, partition, namespace };
}

export function encodeOffset(committed: CommittedOffset): string {
  return JSON.stringify(committed);
}

export function decodeOffset(value: string): CommittedOffset {
  return JSON.parse(value) as CommittedOffset;
}

interface StoredMember {
  id: string;
  instanceId: string | null;
  clientId: string;
  clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  /** Base 64; what it said to the protocol that was chosen. */
  metadata: string;
  assignment: string;
}

interface StoredGroup {
  generation: number;
  protocolType: string;
  protocolName: string | null;
  leaderId: string | null;
  stateSinceMs: number;
  members: StoredMember[];
}

export function encodeGroup(group: Group, assignments: ReadonlyMap<string, Uint8Array>): string {
  const stored: StoredGroup = {
    generation: group.generation,
    protocolType: group.protocolType,
    protocolName: group.protocolName,
    leaderId: group.leaderId,
    stateSinceMs: group.stateSinceMs,
    members: Array.from(group.members.values(), (member) => ({
      id: member.id,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      metadata: base64(member.metadata(group.protocolName ?? '')),
      assignment: base64(assignments.get(member.id) ?? member.assignment),
    })),
  };
  return JSON.stringify(stored);
}

/** Builds the group as it was when it was written: stable if it had members, else empty. */
export function decodeGroup(groupId: string, value: string, host: GroupHost): Group {
  const stored = JSON.parse(value) as StoredGroup;
  const group = new Group(groupId, host);
  group.generation = stored.generation;
  group.protocolType = stored.protocolType;
  group.protocolName = stored.protocolName;
  group.leaderId = stored.leaderId;
  group.state = stored.members.length > 0 ? GroupState.Stable : GroupState.Empty;
  group.stateSinceMs = stored.stateSinceMs;
  for (const each of stored.members) {
    const member = new GroupMember(each.id, {
      instanceId: each.instanceId,
      clientId: each.clientId,
      clientHost: each.clientHost,
      sessionTimeoutMs: each.sessionTimeoutMs,
      rebalanceTimeoutMs: each.rebalanceTimeoutMs,
      protocols: [{ name: stored.protocolName ?? '', metadata: bytes(each.metadata) }],
      knownMemberRequired: false,
      skipAssignmentSupported: false,
    });
    member.assignment = bytes(each.assignment);
    group.restore(member);
  }
  return group;
}

function base64(value: Uint8Array): string {
  return Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
}

function bytes(value: string): Uint8Array {
  return new Uint8Array(Buffer.from(value, 'base64'));
}
