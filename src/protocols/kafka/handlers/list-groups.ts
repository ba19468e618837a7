/**
 * ListGroups (16).
 *
 * v1: throttle   v3: flexible   v4: filter by state (KIP-518)   v5: filter by type (KIP-848)
 */
import { ErrorCode } from '../errors.ts';
import { GROUP_STATE_NAMES, GROUP_TYPE } from '../group-words.ts';
import { defineHandler } from '../handler.ts';

interface ListGroupsRequest {
  /** Empty = all. */
  states: string[];
  types: string[];
}

export const listGroups = defineHandler<ListGroupsRequest>({
  key: 16,
  name: 'ListGroups',
  min: 0,
  max: 5,
  flexibleFrom: 3,

  decode(reader, version) {
    const states = version >= 4 ? reader.array((r) => r.string()) : [];
    const types = version >= 5 ? reader.array((r) => r.string()) : [];
    reader.tags();
    return { states, types };
  },

  handle({ states, types }, call) {
    const { version, node } = call;
    const wanted = new Set(states.map((state) => state.toLowerCase()));
    const typeWanted =
      types.length === 0 || types.some((type) => type.toLowerCase() === GROUP_TYPE);
    const groups = [...node.groups.groups.values()].filter(
      ({ state }) =>
        typeWanted && (wanted.size === 0 || wanted.has(GROUP_STATE_NAMES[state].toLowerCase())),
    );
    call.reply((writer) => {
      if (version >= 1) writer.int32(0);
      writer.int16(ErrorCode.None);
      writer.array(groups, (w, { id, protocolType, state }) => {
        w.string(id).string(protocolType);
        if (version >= 4) w.string(GROUP_STATE_NAMES[state]);
        if (version >= 5) w.string(GROUP_TYPE);
        w.tags();
      });
      writer.tags();
    });
  },
});
