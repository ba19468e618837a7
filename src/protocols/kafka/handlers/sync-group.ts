/**
 * SyncGroup (14).
 *
 * v1: throttle   v3: static members   v4: flexible   v5: protocol type and name, which must agree
 * (KIP-559)
 */
import { groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';
import type { SyncRequest, SyncResult } from '#core/group/group-member.ts';
import type { Writer } from '#wire/writer.ts';

export const syncGroup = defineHandler<SyncRequest>({
  key: 14,
  name: 'SyncGroup',
  min: 0,
  max: 5,
  flexibleFrom: 4,

  decode(reader, version) {
    const groupId = reader.string();
    const generation = reader.int32();
    const memberId = reader.string();
    const instanceId = version >= 3 ? reader.nullableString() : null;
    const protocolType = version >= 5 ? reader.nullableString() : null;
    const protocolName = version >= 5 ? reader.nullableString() : null;
    const assignments = new Map<string, Uint8Array>();
    reader.array((r) => {
      const member = r.string();
      assignments.set(member, r.ownBytes());
      r.tags();
    });
    reader.tags();
    return { groupId, generation, memberId, instanceId, protocolType, protocolName, assignments };
  },

  handle(request, call) {
    call.node.groups.sync(request, (result) => {
      if (call.alive) call.reply((writer) => writeResult(writer, result, call.version));
    });
  },
});

function writeResult(writer: Writer, result: SyncResult, version: number): void {
  if (version >= 1) writer.int32(0);
  writer.int16(groupErrorCode(result.error));
  if (version >= 5) writer.nullableString(result.protocolType).nullableString(result.protocolName);
  writer.bytes(result.assignment).tags();
}
