/**
 * RequestIds: UUIDs for the requests of one connection, counted behind what is random for this start
 * of the broker and the connection's number.
 */
const NUMBER_DIGITS = 8;
/** Of the number, those in the fourth group. */
const GROUP_DIGITS = 3;
/** Of the count, which come from the table; and those before them, which seldom change. */
const LOWER_DIGITS = 3;
const UPPER_DIGITS = 4;
const LOWER_COUNTS = 16 ** LOWER_DIGITS;
const UPPER_COUNTS = 16 ** UPPER_DIGITS;
const LOWER: readonly string[] = Array.from({ length: LOWER_COUNTS }, (_, count) =>
  hex(count, LOWER_DIGITS),
);

export class RequestIds {
  readonly #prefix: string;
  #upperPrefix = '';
  #upper = -1;
  #lower = LOWER_COUNTS - 1;

  constructor(prefix: string, connection: number) {
    const number = hex(connection >>> 0, NUMBER_DIGITS);
    this.#prefix = `${prefix}${number.slice(0, GROUP_DIGITS)}-${number.slice(GROUP_DIGITS)}`;
  }

  next(): string {
    if (++this.#lower === LOWER_COUNTS) {
      this.#lower = 0;
      this.#upper = (this.#upper + 1) % UPPER_COUNTS;
      this.#upperPrefix = this.#prefix + hex(this.#upper, UPPER_DIGITS);
    }
    return this.#upperPrefix + LOWER[this.#lower]!;
  }
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0');
}
