/**
 * Catalog: the definitions that survive a restart, in the log `state/catalog`: namespaces,
 * exchanges, queues, bindings, topics and their settings, and a few numbers that only rise.
 *
 * One entry per definition, keyed by [kind, namespace, name…]; the value is compact JSON. Changes
 * become part of the commit of their turn: whoever answers a client waits for that commit.
 */
import { InvariantError } from './errors.ts';
import type { KeyedJournal } from './keyed-journal.ts';

export type CatalogKind =
  | 'broker'
  | 'namespace'
  | 'exchange'
  | 'queue'
  | 'topic'
  | 'start'
  | 'binding'
  | 'delay-line';

export interface CatalogEntry {
  readonly namespace: string;
  readonly name: readonly string[];
  readonly value: unknown;
}

export class Catalog {
  readonly #journal: KeyedJournal;

  constructor(journal: KeyedJournal) {
    this.#journal = journal;
  }

  set(kind: CatalogKind, namespace: string, name: readonly string[], value: unknown): void {
    this.#journal.set(JSON.stringify([kind, namespace, ...name]), JSON.stringify(value));
  }

  delete(kind: CatalogKind, namespace: string, name: readonly string[]): void {
    this.#journal.delete(JSON.stringify([kind, namespace, ...name]));
  }

  get(kind: CatalogKind, namespace: string, name: readonly string[]): unknown {
    const value = this.#journal.values.get(JSON.stringify([kind, namespace, ...name]));
    return value === undefined ? undefined : JSON.parse(value);
  }

  /** All definitions by kind, each kind in the order it was first written. */
  entries(): Map<CatalogKind, CatalogEntry[]> {
    const found = new Map<CatalogKind, CatalogEntry[]>();
    for (const [key, value] of this.#journal.values) {
      const [kind, namespace, ...name] = JSON.parse(key) as [CatalogKind, string, ...string[]];
      let same = found.get(kind);
      if (!same) found.set(kind, (same = []));
      same.push({ namespace, name, value: JSON.parse(value) });
    }
    return found;
  }

  /**
   * A number that rises by whole blocks, so that what is handed out from a block is never handed
   * out again after a restart. Returns the first of the new block.
   */
  takeBlock(counter: string, size: number): number {
    const from = this.get('broker', '', [counter]) ?? 0;
    if (typeof from !== 'number')
      throw new InvariantError(`catalog counter ${counter} is no number`);
    this.set('broker', '', [counter], from + size);
    return from;
  }
}
