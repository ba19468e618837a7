/**
 * Doorkeeper: has this routing key been asked for before, lately? The first time is not worth
 * remembering: an address of a single reply is used once and would push out what is used often.
 *
 * A table of fingerprints, the last one of each slot: it forgets by itself, and now and then takes
 * a new key for a known one, which costs no more than to remember it too early.
 */
const SLOTS = 32_768;
const FNV_PRIME = 16_777_619;

export class Doorkeeper {
  readonly #seen = new Uint16Array(SLOTS);

  /** Also lets it in the next time. */
  knows(exchange: string, routingKey: string): boolean {
    let hash = exchange.length;
    for (let i = 0; i < routingKey.length; i++) {
      hash = Math.imul(hash ^ routingKey.charCodeAt(i), FNV_PRIME);
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const fingerprint = (hash >>> 16) | 1;
    if (this.#seen[slot] === fingerprint) return true;
    this.#seen[slot] = fingerprint;
    return false;
  }
}
