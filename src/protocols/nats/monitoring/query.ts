/**
 * Query of a monitoring page. What a page does not know is refused, instead of being answered as if
 * it had not been asked for.
 */
export class BadQuery extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'BadQuery';
  }
}

const TRUE = ['1', 't', 'T', 'TRUE', 'true', 'True'];
const FALSE = ['0', 'f', 'F', 'FALSE', 'false', 'False'];
const LIMIT_DEFAULT = 1024;

/** Throws BadQuery when something is given that is not among `known`. */
export function checkQuery(given: ReadonlyMap<string, string>, known: readonly string[]): void {
  for (const name of given.keys()) {
    if (!known.includes(name)) throw new BadQuery(`unsupported option: ${name}`);
  }
}

export class Query {
  readonly #given: ReadonlyMap<string, string>;

  /** Throws BadQuery when something is given that is not among `known`. */
  constructor(given: ReadonlyMap<string, string>, known: readonly string[]) {
    this.#given = given;
    checkQuery(given, known);
  }

  text(name: string): string {
    return this.#given.get(name) ?? '';
  }

  flag(name: string): boolean {
    const text = this.text(name);
    if (text === '' || FALSE.includes(text)) return false;
    if (TRUE.includes(text)) return true;
    throw new BadQuery(`Error decoding boolean for '${name}': invalid syntax`);
  }

  integer(name: string): number {
    const text = this.text(name);
    if (text === '') return 0;
    if (/^[+-]?\d{1,15}$/.test(text)) return Number(text);
    throw new BadQuery(`Error decoding int for '${name}': invalid syntax`);
  }

  /** `offset` and `limit`, with nats-server's defaults. */
  page(): { offset: number; limit: number } {
    const limit = this.integer('limit');
    return {
      offset: Math.max(0, this.integer('offset')),
      limit: limit > 0 ? limit : LIMIT_DEFAULT,
    };
  }
}
