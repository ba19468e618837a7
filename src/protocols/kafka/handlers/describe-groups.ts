/**
 * DescribeGroups (15).
 *
 * v1: throttle   v3: authorized operations   v4: static members   v5: flexible
 * v6: an unknown group is an error with a text, no longer a dead group (KIP-1043)
 */
import { AuthorizedOperations } from '../authorized-operations.ts';
import { ErrorCode } from '../errors.ts';
import { GROUP_STATE_NAMES } from '../group-words.ts';
import { defineHandler } from '../handler.ts';
import { NO_ASSIGNMENT } from '#core/group/group-member.ts';
import { type Group, GroupState } from '#core/group/group.ts';
import type { Writer } from '#wire/writer.ts';

interface DescribeGroupsRequest {
  groupIds: string[];
  operations: boolean;
}

export const describeGroups = defineHandler<DescribeGroupsRequest>({
  key: 15,
  name: 'DescribeGroups',
  min: 0,
  max: 6,
  flexibleFrom: 5,

  decode(reader, version) {
    const groupIds = reader.array((r) => r.string());
    const operations = version >= 3 ? reader.bool() : false;
    reader.tags();
    return { groupIds, operations };
  },

  handle({ groupIds, operations }, call) {
    const { version, node } = call;
    call.reply((writer) => {
      if (version >= 1) writer.int32(0);
      writer.array(groupIds, (w, groupId) => {
        writeGroup(w, groupId, node.groups.groups.get(groupId), version);
        if (version >= 3) w.int32(AuthorizedOperations.ofGroup(operations));
        w.tags();
      });
      writer.tags();
    });
  },
});

function writeGroup(w: Writer, groupId: string, group: Group | undefined, version: number): void {
  const unknown = group === undefined && version >= 6;
  w.int16(unknown ? ErrorCode.GroupIdNotFound : ErrorCode.None);
  if (version >= 6) w.nullableString(unknown ? `Group ${groupId} not found.` : null);
  w.string(groupId).string(GROUP_STATE_NAMES[group?.state ?? GroupState.Dead]);
  // What members say to each other is only settled when the group is stable.
  const stable = group !== undefined && group.state === GroupState.Stable;
  const protocolName = stable ? (group.protocolName ?? '') : '';
  w.string(group?.protocolType ?? '').string(protocolName);
  w.array([...(group?.members.values() ?? [])], (each, member) => {
    each.string(member.id);
    if (version >= 4) each.nullableString(member.instanceId);
    each.string(member.clientId).string(member.clientHost);
    each.bytes(stable ? member.metadata(protocolName) : NO_ASSIGNMENT);
    each.bytes(stable ? member.assignment : NO_ASSIGNMENT).tags();
  });
}
