/**
 * GroupRoster: who is in a group, by member id and, for static members, by instance (KIP-345), and
 * what they agree on.
 */
import type { GroupErrorCode, GroupProtocol } from './group-member.ts';
import type { GroupMember } from './group-member.ts';

export class GroupRoster {
  readonly byId = new Map<string, GroupMember>();
  readonly #byInstance = new Map<string, GroupMember>();

  get size(): number {
    return this.byId.size;
  }

  /** A member that is there: who asks has asked `error` before. */
  get(memberId: string, instanceId: string | null): GroupMember {
    return memberId === '' ? this.#byInstance.get(instanceId!)! : this.byId.get(memberId)!;
  }

  instance(instanceId: string): GroupMember | undefined {
    return this.#byInstance.get(instanceId);
  }

  add(member: GroupMember): void {
    this.byId.set(member.id, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, member);
  }

  remove(member: GroupMember): void {
    this.byId.delete(member.id);
    if (member.instanceId !== null) this.#byInstance.delete(member.instanceId);
  }

  /** The instance is back under another member id. */
  rename(member: GroupMember, id: string): void {
    this.byId.delete(member.id);
    member.id = id;
    this.byId.set(id, member);
  }

  /** A static member is known by its instance; a wrong member id for it is fenced. */
  error(memberId: string, instanceId: string | null): GroupErrorCode | null {
    if (instanceId === null) return this.byId.has(memberId) ? null : 'unknown-member';
    const member = this.#byInstance.get(instanceId);
    if (member === undefined) return 'unknown-member';
    return memberId === '' || member.id === memberId ? null : 'fenced-instance';
  }

  /** Whether some of these could be the protocol of all. */
  agreesWith(protocols: readonly GroupProtocol[]): boolean {
    return protocols.some(({ name }) => this.#everyoneSupports(name));
  }

  /** Each member votes for the first of its protocols that all support; the first with most wins. */
  chosenProtocol(): string {
    const votes = new Map<string, number>();
    for (const member of this.byId.values()) {
      const choice = member.protocols.find(({ name }) => this.#everyoneSupports(name));
      if (choice !== undefined) votes.set(choice.name, (votes.get(choice.name) ?? 0) + 1);
    }
    let best = '';
    for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name;
    return best;
  }

  #everyoneSupports(name: string): boolean {
    for (const member of this.byId.values()) if (!member.supports(name)) return false;
    return true;
  }

  /** The longest that any member wants to be waited for. */
  get rebalanceTimeoutMs(): number {
    let timeoutMs = 0;
    for (const member of this.byId.values()) {
      timeoutMs = Math.max(timeoutMs, member.rebalanceTimeoutMs);
    }
    return timeoutMs;
  }

  get allJoined(): boolean {
    for (const member of this.byId.values()) if (member.joined === null) return false;
    return true;
  }

  assignments(): Map<string, Uint8Array> {
    return new Map(Array.from(this.byId.values(), (each) => [each.id, each.assignment]));
  }
}
