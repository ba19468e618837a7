/**
 * Heartbeat (12).
 *
 * v1: throttle   v3: static members   v4: flexible
 */
import { groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';

interface HeartbeatRequest {
  groupId: string;
  generation: number;
  memberId: string;
  instanceId: string | null;
}

export const heartbeat = defineHandler<HeartbeatRequest>({
  key: 12,
  name: 'Heartbeat',
  min: 0,
  max: 4,
  flexibleFrom: 4,

  decode(reader, version) {
    const groupId = reader.string();
    const generation = reader.int32();
    const memberId = reader.string();
    const instanceId = version >= 3 ? reader.nullableString() : null;
    reader.tags();
    return { groupId, generation, memberId, instanceId };
  },

  handle({ groupId, generation, memberId, instanceId }, call) {
    const error = call.node.groups.heartbeat(groupId, memberId, instanceId, generation);
    const { members } = call.connection;
    if (error === 'unknown-member') members.delete(memberId);
    else members.set(memberId, groupId);
    call.reply((writer) => {
      if (call.version >= 1) writer.int32(0);
      writer.int16(groupErrorCode(error)).tags();
    });
  },
});
