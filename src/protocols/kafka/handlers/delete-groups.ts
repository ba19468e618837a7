/**
 * DeleteGroups (42): groups without members, with their offsets.
 *
 * v2: flexible
 */
import { groupErrorCode } from '../errors.ts';
import { defineHandler } from '../handler.ts';

export const deleteGroups = defineHandler<string[]>({
  key: 42,
  name: 'DeleteGroups',
  min: 0,
  max: 2,
  flexibleFrom: 2,

  decode(reader) {
    const groupIds = reader.array((r) => r.string());
    reader.tags();
    return groupIds;
  },

  handle(groupIds, call) {
    const { groups } = call.node;
    const results = groupIds.map((groupId) => ({
      groupId,
      error: groupErrorCode(groups.deleteGroup(groupId)),
    }));
    call.replyCommitted((writer) => {
      writer.int32(0);
      writer.array(results, (w, { groupId, error }) => w.string(groupId).int16(error).tags());
      writer.tags();
    });
  },
});
