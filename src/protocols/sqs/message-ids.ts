/**
 * Identifiers of the messages of one queue, all made from their offsets: nothing is stored for them,
 * and a duplicate is answered with the identifiers of the first.
 *
 *   MessageId        a UUID: 75 bits of the cluster and the queue, 53 bits of the offset, scrambled
 *   SequenceNumber   20 digits, rising with the offset
 */
import type { Hashes } from '#core/ports.ts';

const UINT32 = 2 ** 32;
const ODD = 0x9e3779b1;
/** Twenty digits, whatever the offset. */
const SEQUENCE_PREFIX = '1';
const SEQUENCE_DIGITS = 19;

export class MessageIds {
  /** Everything before the last eight digits, for the offsets that have the same upper bits. */
  #prefix = '';
  #prefixUpper = -1;
  readonly #head: string;
  readonly #group: number;
  readonly #upperSalt: number;
  readonly #lowerSalt: number;

  constructor(hashes: Hashes, clusterId: string, queueId: number) {
    const hex = hashes.sha256Hex(Buffer.from(`message-id ${clusterId} ${queueId}`));
    this.#head = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(12, 15)}-`;
    this.#group = 0x8000 | (Number.parseInt(hex.slice(16, 20), 16) & 0x3fe0);
    this.#upperSalt = Number.parseInt(hex.slice(24, 30), 16) & 0x1fffff;
    this.#lowerSalt = Number.parseInt(hex.slice(32, 40), 16);
  }

  messageId(offset: number): string {
    const upper = Math.floor(offset / UINT32);
    if (upper !== this.#prefixUpper) this.#setPrefix(upper);
    const lower = Math.imul((offset >>> 0) ^ this.#lowerSalt, ODD) >>> 0;
    return this.#prefix + lower.toString(16).padStart(8, '0');
  }

  #setPrefix(upper: number): void {
    const scrambled = upper ^ this.#upperSalt;
    const group = (this.#group | (scrambled >>> 16)).toString(16);
    this.#prefix = `${this.#head}${group}-${(scrambled & 0xffff).toString(16).padStart(4, '0')}`;
    this.#prefixUpper = upper;
  }
}

export function sequenceNumber(offset: number): string {
  return SEQUENCE_PREFIX + String(offset).padStart(SEQUENCE_DIGITS, '0');
}
