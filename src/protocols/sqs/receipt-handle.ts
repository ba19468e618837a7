/**
 * Receipt handles: what a client must show to delete a message it received. Opaque to clients:
 * base64url of 27 bytes,
 *
 *   queue id u32 | offset u56 | epoch u32 | receive number u16 | received at u48 (ms) | check u32
 *
 * `epoch` is how often the broker had been started: leases do not survive a restart, handles do.
 * The check is keyed with the cluster, so that a handle is not made up by counting; it is no
 * signature, and need not be: who may receive from a queue may delete from it.
 */
import type { Hashes } from '#core/ports.ts';
import { SqsError } from './errors.ts';

const BYTES = 27;
const CHECK_AT = 23;
const TEXT_LENGTH = 36;
const RECEIVE_NUMBER_MAX = 0xffff;
const UINT32 = 2 ** 32;

/** One for all, overwritten by the next `read`. */
export class Receipt {
  queueId = 0;
  offset = 0;
  epoch = 0;
  receiveNumber = 0;
  receivedAtMs = 0;
}

export class ReceiptHandles {
  readonly #bytes = Buffer.alloc(BYTES);
  readonly #receipt = new Receipt();
  readonly #epoch: number;
  readonly #key: number;
  readonly #secondKey: number;

  constructor(hashes: Hashes, clusterId: string, epoch: number) {
    const hex = hashes.sha256Hex(Buffer.from(`receipt-handle ${clusterId}`));
    this.#key = Number.parseInt(hex.slice(0, 8), 16);
    this.#secondKey = Number.parseInt(hex.slice(8, 16), 16);
    this.#epoch = epoch;
  }

  /** `receiveNumber`: how often the message was received, this time included. */
  write(queueId: number, offset: number, receiveNumber: number, receivedAtMs: number): string {
    const bytes = this.#bytes;
    bytes.writeUInt32BE(queueId, 0);
    writeOffset(bytes, offset);
    bytes.writeUInt32BE(this.#epoch, 11);
    bytes.writeUInt16BE(Math.min(receiveNumber, RECEIVE_NUMBER_MAX), 15);
    bytes.writeUIntBE(receivedAtMs, 17, 6);
    bytes.writeUInt32BE(this.#check(), CHECK_AT);
    return bytes.toString('base64url');
  }

  /** Throws SqsError ReceiptHandleIsInvalid unless it is one of this queue. */
  read(handle: string, queueId: number): Receipt {
    const bytes = this.#bytes;
    const isWhole = handle.length === TEXT_LENGTH && bytes.write(handle, 'base64url') === BYTES;
    if (!isWhole || bytes.readUInt32BE(CHECK_AT) !== this.#check()) throw invalid(handle);
    const receipt = this.#receipt;
    receipt.queueId = bytes.readUInt32BE(0);
    if (receipt.queueId !== queueId) throw invalid(handle);
    receipt.offset = readOffset(bytes);
    receipt.epoch = bytes.readUInt32BE(11);
    receipt.receiveNumber = bytes.readUInt16BE(15);
    receipt.receivedAtMs = bytes.readUIntBE(17, 6);
    return receipt;
  }

  /** The message is out under this very handle, if `deliveries` is how often it was handed out. */
  isCurrent(receipt: Receipt, deliveries: number): boolean {
    const number = Math.min(deliveries, RECEIVE_NUMBER_MAX);
    return receipt.epoch === this.#epoch && receipt.receiveNumber === number;
  }

  /** Made before the broker was started the last time. */
  isFromBefore(receipt: Receipt): boolean {
    return receipt.epoch !== this.#epoch;
  }

  /** Of the bytes before it. */
  #check(): number {
    const bytes = this.#bytes;
    let hash = this.#key;
    for (let at = 0; at < CHECK_AT; at++) {
      hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash ^ this.#secondKey, 0x85ebca6b);
    return (hash ^ (hash >>> 13)) >>> 0;
  }
}

function writeOffset(bytes: Buffer, offset: number): void {
  bytes.writeUIntBE(Math.floor(offset / UINT32), 4, 3);
  bytes.writeUInt32BE(offset % UINT32, 7);
}

function readOffset(bytes: Buffer): number {
  return bytes.readUIntBE(4, 3) * UINT32 + bytes.readUInt32BE(7);
}

function invalid(handle: string): SqsError {
  return new SqsError(
    'ReceiptHandleIsInvalid',
    `The input receipt handle "${handle}" is not a valid receipt handle.`,
  );
}
