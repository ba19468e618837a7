/**
 * Kafka's words for the states of a group.
 */
import { GroupState } from '#core/group/group.ts';

export const GROUP_STATE_NAMES = {
  [GroupState.Empty]: 'Empty',
  [GroupState.Preparing]: 'PreparingRebalance',
  [GroupState.Completing]: 'CompletingRebalance',
  [GroupState.Stable]: 'Stable',
  [GroupState.Dead]: 'Dead',
} as const satisfies Record<GroupState, string>;

/** All groups are of the protocol before KIP-848. */
export const GROUP_TYPE = 'classic';
