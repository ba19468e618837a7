/**
 * RequestIds: UUIDs for the requests of one connection, counted behind what is random for this start
 * of the broker and the connection's number.
 */
const NUMBER_DIGITS = 8;
/** Of the number, those in the fourth group. */
const GROUP_DIGITS = 3;
const COUNT_DIGITS = 7;
const COUNTS = 16 ** COUNT_DIGITS;

export class RequestIds {
  readonly #prefix: string;
  #count = 0;

  constructor(prefix: string, connection: number) {
    const number = (connection >>> 0).toString(16).padStart(NUMBER_DIGITS, '0');
    this.#prefix = `${prefix}${number.slice(0, GROUP_DIGITS)}-${number.slice(GROUP_DIGITS)}`;
  }

  next(): string {
    this.#count = (this.#count + 1) % COUNTS;
    return this.#prefix + this.#count.toString(16).padStart(COUNT_DIGITS, '0');
  }
}
