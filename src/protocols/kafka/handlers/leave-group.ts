/**
 * LeaveGroup (13).
 *
 * v1: throttle   v3: many members, static ones by their instance alone (KIP-345)   v4: flexible
 * v5: reason (KIP-800)
 */
import { ErrorCode, groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';

const MANY_FROM_VERSION = 3;

interface LeavingMember {
  memberId: string;
  instanceId: string | null;
}

interface LeaveGroupRequest {
  groupId: string;
  members: LeavingMember[];
}

export const leaveGroup = defineHandler<LeaveGroupRequest>({
  key: 13,
  name: 'LeaveGroup',
  min: 0,
  max: 5,
  flexibleFrom: 4,

  decode(reader, version) {
    const groupId = reader.string();
    if (version < MANY_FROM_VERSION) {
      return { groupId, members: [{ memberId: reader.string(), instanceId: null }] };
    }
    const members = reader.array((r) => {
      const memberId = r.string();
      const instanceId = r.nullableString();
      if (version >= 5) r.nullableString();
      r.tags();
      return { memberId, instanceId };
    });
    reader.tags();
    return { groupId, members };
  },

  handle({ groupId, members }, call) {
    const { version, node } = call;
    const left = members.map(({ memberId, instanceId }) => ({
      memberId,
      instanceId,
      error: groupErrorCode(node.groups.leave(groupId, memberId, instanceId)),
    }));
    const many = version >= MANY_FROM_VERSION;
    call.reply((writer) => {
      if (version >= 1) writer.int32(0);
      writer.int16(many ? ErrorCode.None : (left[0]?.error ?? ErrorCode.None));
      if (many) {
        writer.array(left, (w, { memberId, instanceId, error }) => {
          w.string(memberId).nullableString(instanceId).int16(error).tags();
        });
      }
      writer.tags();
    });
  },
});
