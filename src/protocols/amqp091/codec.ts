/**
 * AMQP 0-9-1 frames: the numbers of the specification and the readers and writers of its
 * elementary types.
 *
 *   frame: type u8 | channel u16 | size u32 | payload (size bytes) | end u8 = 0xCE
 *   method payload:  class u16 | method u16 | arguments
 *   header payload:  class u16 | weight u16 = 0 | body size u64 | property flags u16 | properties
 *
 * Nothing here keeps state or bytes: a MethodReader looks at a window of somebody's chunk, a
 * MethodWriter writes straight into a connection's OutputBuffer. Everything that does not fit its
 * frame throws ProtocolError FRAME_ERROR, as RabbitMQ answers it.
 */
import { ProtocolError } from '#core/errors.ts';
import type { OutputBuffer } from '#wire/output-buffer.ts';

export const FrameType = { Method: 1, Header: 2, Body: 3, Heartbeat: 8 } as const;
export const FRAME_END = 0xce;
export const FRAME_HEAD_BYTES = 7;
/** Head and end: what a frame adds to its payload. */
export const FRAME_OVERHEAD_BYTES = 8;
export const FRAME_BYTES_MIN = 4096;
const FIRST_METHOD_BYTES = 512;
/** class, weight and body size, before the property flags. */
export const CONTENT_HEAD_BYTES = 12;

export const ReplyCode = {
  NoRoute: 312,
  ConnectionForced: 320,
  AccessRefused: 403,
  NotFound: 404,
  ResourceLocked: 405,
  PreconditionFailed: 406,
  FrameError: 501,
  SyntaxError: 502,
  CommandInvalid: 503,
  ChannelError: 504,
  UnexpectedFrame: 505,
  NotAllowed: 530,
  NotImplemented: 540,
  InternalError: 541,
} as const;
export type ReplyCode = (typeof ReplyCode)[keyof typeof ReplyCode];

/** class id << 16 | method id. */
export const Method = {
  ConnectionStart: (10 << 16) | 10,
  ConnectionStartOk: (10 << 16) | 11,
  ConnectionSecure: (10 << 16) | 20,
  ConnectionSecureOk: (10 << 16) | 21,
  ConnectionTune: (10 << 16) | 30,
  ConnectionTuneOk: (10 << 16) | 31,
  ConnectionOpen: (10 << 16) | 40,
  ConnectionOpenOk: (10 << 16) | 41,
  ConnectionClose: (10 << 16) | 50,
  ConnectionCloseOk: (10 << 16) | 51,
  ConnectionBlocked: (10 << 16) | 60,
  ConnectionUnblocked: (10 << 16) | 61,
  ConnectionUpdateSecret: (10 << 16) | 70,
  ConnectionUpdateSecretOk: (10 << 16) | 71,
  ChannelOpen: (20 << 16) | 10,
  ChannelOpenOk: (20 << 16) | 11,
  ChannelFlow: (20 << 16) | 20,
  ChannelFlowOk: (20 << 16) | 21,
  ChannelClose: (20 << 16) | 40,
  ChannelCloseOk: (20 << 16) | 41,
  AccessRequest: (30 << 16) | 10,
  AccessRequestOk: (30 << 16) | 11,
  ExchangeDeclare: (40 << 16) | 10,
  ExchangeDeclareOk: (40 << 16) | 11,
  ExchangeDelete: (40 << 16) | 20,
  ExchangeDeleteOk: (40 << 16) | 21,
  ExchangeBind: (40 << 16) | 30,
  ExchangeBindOk: (40 << 16) | 31,
  ExchangeUnbind: (40 << 16) | 40,
  ExchangeUnbindOk: (40 << 16) | 51,
  QueueDeclare: (50 << 16) | 10,
  QueueDeclareOk: (50 << 16) | 11,
  QueueBind: (50 << 16) | 20,
  QueueBindOk: (50 << 16) | 21,
  QueuePurge: (50 << 16) | 30,
  QueuePurgeOk: (50 << 16) | 31,
  QueueDelete: (50 << 16) | 40,
  QueueDeleteOk: (50 << 16) | 41,
  QueueUnbind: (50 << 16) | 50,
  QueueUnbindOk: (50 << 16) | 51,
  BasicQos: (60 << 16) | 10,
  BasicQosOk: (60 << 16) | 11,
  BasicConsume: (60 << 16) | 20,
  BasicConsumeOk: (60 << 16) | 21,
  BasicCancel: (60 << 16) | 30,
  BasicCancelOk: (60 << 16) | 31,
  BasicPublish: (60 << 16) | 40,
  BasicReturn: (60 << 16) | 50,
  BasicDeliver: (60 << 16) | 60,
  BasicGet: (60 << 16) | 70,
  BasicGetOk: (60 << 16) | 71,
  BasicGetEmpty: (60 << 16) | 72,
  BasicAck: (60 << 16) | 80,
  BasicReject: (60 << 16) | 90,
  BasicRecoverAsync: (60 << 16) | 100,
  BasicRecover: (60 << 16) | 110,
  BasicRecoverOk: (60 << 16) | 111,
  BasicNack: (60 << 16) | 120,
  ConfirmSelect: (85 << 16) | 10,
  ConfirmSelectOk: (85 << 16) | 11,
  TxSelect: (90 << 16) | 10,
  TxCommit: (90 << 16) | 20,
  TxRollback: (90 << 16) | 30,
} as const;
export type Method = (typeof Method)[keyof typeof Method];

export const CLASS_BASIC = 60;

/** A window of bytes as text. For what is no hot path. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}

/** A copy. `slice` would be none: of a Buffer, which a chunk may be, it is a view. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

export function readUint16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function readUint32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 0x1000000 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}

/** Unsigned; exact below 2^53, above only "too large" matters. */
export function readUint64(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at) * 0x100000000 + readUint32(bytes, at + 4);
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

export function writeUint64(bytes: Uint8Array, at: number, value: number): void {
  // Tags and sizes hardly ever need the upper half.
  writeUint32(bytes, at, value <= 0xffffffff ? 0 : (value / 0x100000000) >>> 0);
  writeUint32(bytes, at + 4, value >>> 0);
}

/** Reads a method's arguments in order. Reused: `reset` points it at the next window. */
export class MethodReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  #end = 0;
  #bits = 0;
  #bitsLeft = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.#end = end;
    this.#bitsLeft = 0;
  }

  /** Moves past `count` bytes and returns where they begin. */
  take(count: number): number {
    const at = this.at;
    if (count > this.#end - at) {
      throw new ProtocolError(
        ReplyCode.FrameError,
        'cannot decode: arguments run past their frame',
      );
    }
    this.at = at + count;
    this.#bitsLeft = 0;
    return at;
  }

  octet(): number {
    return this.bytes[this.take(1)]!;
  }

  /** Consecutive bits share octets, lowest bit first (4.2.5.2). */
  bit(): boolean {
    if (this.#bitsLeft === 0) {
      this.#bits = this.octet();
      this.#bitsLeft = 8;
    }
    const bit = (this.#bits & 1) !== 0;
    this.#bits >>= 1;
    this.#bitsLeft--;
    return bit;
  }

  short(): number {
    return readUint16(this.bytes, this.take(2));
  }

  long(): number {
    return readUint32(this.bytes, this.take(4));
  }

  longlong(): number {
    return readUint64(this.bytes, this.take(8));
  }

  shortstr(): string {
    const length = this.octet();
    const at = this.take(length);
    return textOf(this.bytes, at, at + length);
  }

  longstr(): Uint8Array {
    const length = this.long();
    const at = this.take(length);
    return copyOf(this.bytes, at, at + length);
  }
}

/**
 * Builds one method frame: `begin`, arguments in order, `end`, which puts it into the output. It is
 * built aside, since its size is known at the end only; methods are few, deliveries have their own
 * way (delivery.ts).
 */
export class MethodWriter {
  readonly #output: OutputBuffer;
  #bytes = Buffer.alloc(FIRST_METHOD_BYTES);
  #at = 0;
  #bitsUsed = 0;

  constructor(output: OutputBuffer) {
    this.#output = output;
  }

  begin(channel: number, method: Method): this {
    this.#bytes[0] = FrameType.Method;
    writeUint16(this.#bytes, 1, channel);
    writeUint32(this.#bytes, FRAME_HEAD_BYTES, method);
    this.#at = FRAME_HEAD_BYTES + 4;
    this.#bitsUsed = 0;
    return this;
  }

  /** Room for `count` more bytes; returns their position. */
  #room(count: number): number {
    const at = this.#at;
    this.#at += count;
    this.#bitsUsed = 0;
    if (this.#at >= this.#bytes.length) {
      const larger = Buffer.alloc(this.#at * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    return at;
  }

  octet(value: number): this {
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  bit(value: boolean): this {
    const used = this.#bitsUsed;
    if (used === 0 || used === 8) {
      this.octet(value ? 1 : 0);
      this.#bitsUsed = 1;
      return this;
    }
    if (value) this.#bytes[this.#at - 1]! |= 1 << used;
    this.#bitsUsed = used + 1;
    return this;
  }

  short(value: number): this {
    const at = this.#room(2);
    writeUint16(this.#bytes, at, value);
    return this;
  }

  long(value: number): this {
    const at = this.#room(4);
    writeUint32(this.#bytes, at, value);
    return this;
  }

  longlong(value: number): this {
    const at = this.#room(8);
    writeUint64(this.#bytes, at, value);
    return this;
  }

  /** At most 255 bytes of UTF-8; a longer text is cut, as only reply texts can be longer. */
  shortstr(value: string): this {
    let bytes = Buffer.from(value);
    if (bytes.length > 255) bytes = bytes.subarray(0, 255);
    const at = this.#room(1 + bytes.length);
    this.#bytes[at] = bytes.length;
    this.#bytes.set(bytes, at + 1);
    return this;
  }

  longstr(value: Uint8Array): this {
    const at = this.#room(4 + value.length);
    writeUint32(this.#bytes, at, value.length);
    this.#bytes.set(value, at + 4);
    return this;
  }

  /** Ends the frame: size and end marker. */
  end(): void {
    const size = this.#at;
    writeUint32(this.#bytes, 3, size - FRAME_HEAD_BYTES);
    this.#bytes[size] = FRAME_END;
    const at = this.#output.reserveNext(size + 1);
    this.#bytes.copy(this.#output.bytes, at, 0, size + 1);
    this.#output.advance(size + 1);
  }
}
