/**
 * The source of a NATS message: what its publisher sent from the subject to the end of the headers,
 * as on the wire, in the form that `PublishLine.canonical` names:
 *
 *   <subject> SP [<reply> SP] <size> CR LF                              without headers
 *   <subject> SP [<reply> SP] <header bytes> SP <size> CR LF <headers>  with headers
 *
 * A message that the broker gave another address (a dead letter) has that in front instead, for
 * neither exchange nor routing key need be a subject; no subject begins with a space:
 *
 *   SP | exchange length u8 | exchange | key length u16 | key | [<reply> SP] … as above
 *
 * Sizes are those of the publish and are not believed: a record may have been forged.
 */
import type { Message } from '#core/message/message.ts';
import { Arguments, textOf } from './arguments.ts';
import { TOPIC_EXCHANGE } from './subjects.ts';

const SPACE = 0x20;
const ADDRESS_BYTES_MAX = 4;
const EXCHANGE_BYTES_MAX = 255;
const KEY_BYTES_MAX = 65_535;

export interface Source {
  exchange: string;
  subject: string;
  /** Null without a reply subject. */
  reply: string | null;
  /** What follows the address. */
  restStart: number;
  /** `message.sourceEnd` when there are no headers. */
  headersStart: number;
}

const found = new Arguments();

/** Null when these are not the bytes of a source. */
export function readSource({ source, sourceStart, sourceEnd }: Message): Source | null {
  let exchange: string = TOPIC_EXCHANGE;
  let subject: string | null = null;
  let restStart = sourceStart;
  if (source[sourceStart] === SPACE) {
    if (sourceEnd - sourceStart < ADDRESS_BYTES_MAX) return null;
    const keyLengthAt = sourceStart + 2 + source[sourceStart + 1]!;
    restStart = keyLengthAt + 2 + source[keyLengthAt]! * 256 + source[keyLengthAt + 1]!;
    if (!(restStart < sourceEnd)) return null;
    exchange = textOf(source, sourceStart + 2, keyLengthAt);
    subject = textOf(source, keyLengthAt + 2, restStart);
  }
  const headersStart = found.scan(source, restStart, sourceEnd);
  if (headersStart < 0 || !found.canonical || found.starts[0] !== restStart) return null;
  const sizes = headersStart < sourceEnd ? 2 : 1;
  const words = found.count - sizes - (subject === null ? 1 : 0);
  if (words < 0 || words > 1) return null;
  for (let i = 1; i <= sizes; i++) if (found.size(source, found.count - i) < 0) return null;
  const replyAt = subject === null ? 1 : 0;
  if (subject === null) {
    subject = found.text(source, 0);
    restStart = found.ends[0]! + 1;
  }
  const reply = words === 1 ? found.text(source, replyAt) : null;
  return { exchange, subject, reply, restStart, headersStart };
}

/** `known` is what readSource made of it. */
export function readdressed(
  { source, sourceEnd }: Message,
  known: Source,
  exchange: string,
  key: string,
): Buffer {
  const exchangeBytes = clipped(exchange, EXCHANGE_BYTES_MAX);
  const keyBytes = clipped(key, KEY_BYTES_MAX);
  return Buffer.concat([
    Uint8Array.of(SPACE, exchangeBytes.length),
    exchangeBytes,
    Uint8Array.of(keyBytes.length >>> 8, keyBytes.length & 0xff),
    keyBytes,
    source.subarray(known.restStart, sourceEnd),
  ]);
}

/** Cut at a whole character. */
function clipped(text: string, bytesMax: number): Buffer {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return bytes;
  let end = bytesMax;
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.subarray(0, end);
}
