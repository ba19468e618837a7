/**
 * JoinGroup (11).
 *
 * v1: rebalance timeout   v2: throttle   v4: a new member joins again with the id it is told
 * (KIP-394)   v5: static members (KIP-345)   v6: flexible   v7: protocol type in the answer
 * v8: reason (KIP-800)   v9: the leader may keep the assignments (KIP-814)
 */
import { groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import type { GroupProtocol, JoinReply, JoinResult } from '#core/group/group-member.ts';
import type { Writer } from '#wire/writer.ts';

interface JoinGroupRequest {
  groupId: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  memberId: string;
  instanceId: string | null;
  protocolType: string;
  protocols: GroupProtocol[];
}

export const joinGroup = defineHandler<JoinGroupRequest>({
  key: 11,
  name: 'JoinGroup',
  min: 0,
  max: 9,
  flexibleFrom: 6,

  decode(reader, version) {
    const groupId = reader.string();
    const sessionTimeoutMs = reader.int32();
    const rebalanceTimeoutMs = version >= 1 ? reader.int32() : sessionTimeoutMs;
    const memberId = reader.string();
    const instanceId = version >= 5 ? reader.nullableString() : null;
    const protocolType = reader.string();
    const protocols = reader.array((r) => {
      const name = r.string();
      const metadata = r.ownBytes();
      r.tags();
      return { name, metadata };
    });
    if (version >= 8) reader.nullableString();
    reader.tags();
    return {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      memberId,
      instanceId,
      protocolType,
      protocols,
    };
  },

  handle(request, call) {
    const { node, version } = call;
    const reply: JoinReply = (result) => {
      if (result.error === null) call.connection.members.set(result.memberId, request.groupId);
      if (call.alive) call.reply((writer) => writeResult(writer, result, version));
    };
    const abandon = (): void => node.groups.abandon(request.groupId, reply);
    call.connection.waiting = { abandon };
    node.groups.join(
      {
        ...request,
        clientId: call.clientId,
        clientHost: `/${call.peer.remoteAddress}`,
        knownMemberRequired: version >= 4,
        skipAssignmentSupported: version >= 9,
      },
      reply,
    );
  },
});

function writeResult(writer: Writer, result: JoinResult, version: number): void {
  if (version >= 2) writer.int32(0);
  writer.int16(groupErrorCode(result.error)).int32(result.generation);
  if (version >= 7) writer.nullableString(result.protocolType).nullableString(result.protocolName);
  else writer.string(result.protocolName ?? '');
  writer.string(result.leaderId);
  if (version >= 9) writer.bool(result.skipAssignment);
  writer.string(result.memberId);
  writer.array(result.members, (w, { memberId, instanceId, metadata }) => {
    w.string(memberId);
    if (version >= 5) w.nullableString(instanceId);
    w.bytes(metadata).tags();
  });
  writer.tags();
}
