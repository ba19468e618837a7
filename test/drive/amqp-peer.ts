/**
 * An AMQP client without a socket: builds frames, drives a connection with them and takes the
 * answers apart. Written against the specification, not against our codec, so that both cannot be
 * wrong in the same way.
 */
import type { Protocol } from '#protocols/contract.ts';
import { connect, type DrivenConnection, type MemoryBroker } from './memory-broker.ts';

export interface Frame {
  type: number;
  channel: number;
  payload: Buffer;
}

export interface ReceivedMethod {
  channel: number;
  classId: number;
  methodId: number;
  args: Buffer;
  /** Of a method that carries content. */
  properties: Buffer | null;
  body: Buffer | null;
}

export const PROTOCOL_HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1');

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

export function shortstr(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u8(bytes.length), bytes]);
}

export function longstr(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([u32(bytes.length), bytes]);
}

export type TableValue = string | number | boolean | Buffer | TableValue[] | Table;
export interface Table {
  [name: string]: TableValue;
}

function fieldValue(value: TableValue): Buffer {
  if (typeof value === 'string') return Buffer.concat([Buffer.from('S'), longstr(value)]);
  if (typeof value === 'boolean') return Buffer.concat([Buffer.from('t'), u8(value ? 1 : 0)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(5, 'I');
    bytes.writeInt32BE(value, 1);
    return bytes;
  }
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from('x'), longstr(value)]);
  if (Array.isArray(value)) {
    const items = Buffer.concat(value.map(fieldValue));
    return Buffer.concat([Buffer.from('A'), longstr(items)]);
  }
  return Buffer.concat([Buffer.from('F'), table(value)]);
}

export function table(fields: Table = {}): Buffer {
  const parts = Object.entries(fields).flatMap(([name, value]) => [
    shortstr(name),
    fieldValue(value),
  ]);
  return longstr(Buffer.concat(parts));
}

export function frame(type: number, channel: number, payload: Buffer): Buffer {
  const head = Buffer.concat([u8(type), u16(channel), u32(payload.length)]);
  return Buffer.concat([head, payload, u8(0xce)]);
}

export function method(
  channel: number,
  classId: number,
  methodId: number,
  ...args: Buffer[]
): Buffer {
  return frame(1, channel, Buffer.concat([u16(classId), u16(methodId), ...args]));
}

export interface PublishOptions {
  exchange?: string;
  mandatory?: boolean;
  /** Flags and values. */
  properties?: Buffer;
  frameBytesMax?: number;
}

export function publish(
  channel: number,
  routingKey: string,
  body: string | Buffer,
  options: PublishOptions = {},
): Buffer {
  const bytes = Buffer.from(body);
  const properties = options.properties ?? u16(0);
  const parts = [
    method(
      channel,
      60,
      40,
      u16(0),
      shortstr(options.exchange ?? ''),
      shortstr(routingKey),
      u8(options.mandatory ? 1 : 0),
    ),
    frame(2, channel, Buffer.concat([u16(60), u16(0), u64(bytes.length), properties])),
  ];
  const step = (options.frameBytesMax ?? 131072) - 8;
  for (let at = 0; at < bytes.length; at += step) {
    parts.push(frame(3, channel, bytes.subarray(at, at + step)));
  }
  return Buffer.concat(parts);
}

/** Whole frames only; what is left over fails. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (at < bytes.length) {
    const size = bytes.readUInt32BE(at + 3);
    const end = at + 8 + size;
    if (bytes[end - 1] !== 0xce) throw new Error(`no frame end at ${end - 1}`);
    const payload = bytes.subarray(at + 7, end - 1);
    frames.push({ type: bytes[at]!, channel: bytes.readUInt16BE(at + 1), payload });
    at = end;
  }
  return frames;
}

/** Methods with their content put together. Heartbeats are left out. */
export function methodsOf(bytes: Buffer): ReceivedMethod[] {
  const methods: ReceivedMethod[] = [];
  for (const { type, channel, payload } of framesOf(bytes)) {
    const last = methods.at(-1);
    if (type === 1) {
      const classId = payload.readUInt16BE(0);
      const methodId = payload.readUInt16BE(2);
      const args = payload.subarray(4);
      methods.push({ channel, classId, methodId, args, properties: null, body: null });
    } else if (type === 2) {
      last!.properties = payload.subarray(12);
      last!.body = Buffer.alloc(0);
    } else if (type === 3) last!.body = Buffer.concat([last!.body!, payload]);
  }
  return methods;
}

/** `class.method` of every method, for comparing sequences. */
export function names(methods: readonly ReceivedMethod[]): string[] {
  return methods.map(({ classId, methodId }) => `${classId}.${methodId}`);
}

export class AmqpPeer {
  readonly driven: DrivenConnection;
  readonly #memory: MemoryBroker;

  constructor(memory: MemoryBroker, protocol: Protocol) {
    this.#memory = memory;
    this.driven = connect(protocol);
  }

  /** Sends and returns everything that comes back once all is settled. */
  async call(...chunks: Buffer[]): Promise<ReceivedMethod[]> {
    return methodsOf(await this.exchange(...chunks));
  }

  async exchange(...chunks: Buffer[]): Promise<Buffer> {
    for (const chunk of chunks) {
      // As a server does: the buffer that was read into is overwritten by the next read.
      const reused = Buffer.from(chunk);
      this.driven.connection.receive(reused);
      reused.fill(0xff);
    }
    await this.#memory.settle();
    return this.driven.sink.take();
  }

  /** What has come without being asked for. */
  async received(): Promise<ReceivedMethod[]> {
    return this.call();
  }

  /** Header to open-ok, and channel 1. */
  async open(options: { vhost?: string; channels?: number[] } = {}): Promise<this> {
    await this.exchange(PROTOCOL_HEADER);
    await this.exchange(startOk(), tuneOk(), openVhost(options.vhost ?? '/'));
    for (const channel of options.channels ?? [1]) {
      await this.exchange(method(channel, 20, 10, shortstr('')));
    }
    return this;
  }
}

export const CAPABILITIES: Table = {
  capabilities: {
    'basic.nack': true,
    'connection.blocked': true,
    consumer_cancel_notify: true,
    authentication_failure_close: true,
  },
};

export function startOk(user = 'guest', password = 'guest', properties = CAPABILITIES): Buffer {
  const response = longstr(`\0${user}\0${password}`);
  return method(0, 10, 11, table(properties), shortstr('PLAIN'), response, shortstr('en_US'));
}

export function tuneOk(channelsMax = 2047, frameBytesMax = 131072, heartbeatS = 0): Buffer {
  return method(0, 10, 31, u16(channelsMax), u32(frameBytesMax), u16(heartbeatS));
}

export function openVhost(vhost: string): Buffer {
  return method(0, 10, 40, shortstr(vhost), shortstr(''), u8(0));
}

/** Code and text of connection.close or channel.close. */
export function closeOf(received: ReceivedMethod): { code: number; text: string } {
  const length = received.args[2]!;
  const text = received.args.subarray(3, 3 + length).toString();
  return { code: received.args.readUInt16BE(0), text };
}
