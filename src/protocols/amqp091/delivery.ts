/**
 * Writes basic.deliver, basic.get-ok and basic.return with their content straight into a
 * connection's output.
 *
 *   method frame: head 7 | class, method | [arguments in front] | exchange, routing key | [after]
 *   header frame: head 7 | class 60, weight 0, body size u64 | property flags and values
 *   body frames:  head 7 | body, at most frame-max − 8 bytes each
 *
 * A message that came in by this protocol keeps exchange, routing key and properties in the form
 * they are sent in (`AddressedContent`), so its delivery is three copies. Bodies from
 * COPY_BYTES_MAX are handed over by reference when their bytes are immutable (`stable`), as in a
 * queue's chunk or a log's batch, and copied when they lie in the read buffer.
 */
import { COPY_BYTES_MAX, type OutputBuffer } from '#wire/output-buffer.ts';
import { copyBytes } from '#core/message/record.ts';
import {
  CLASS_BASIC,
  CONTENT_HEAD_BYTES,
  FRAME_END,
  FRAME_HEAD_BYTES,
  FRAME_OVERHEAD_BYTES,
  FrameType,
  writeUint16,
  writeUint32,
  writeUint64,
} from './codec.ts';

/** Windows of one message in this protocol's words. Reused; valid until its owner changes it. */
export class AddressedContent {
  /** exchange shortstr, routing key shortstr, property flags and values: one window, in order. */
  source: Uint8Array = new Uint8Array(0);
  sourceStart = 0;
  /** Where the address ends and the property flags begin. */
  propertiesStart = 0;
  sourceEnd = 0;
  body: Uint8Array = new Uint8Array(0);
  bodyStart = 0;
  bodyEnd = 0;
  /** The body's bytes never change. */
  stable = false;

  setSource(bytes: Uint8Array, start: number, end: number): void {
    this.source = bytes;
    this.sourceStart = start;
    const routingKeyAt = start + 1 + bytes[start]!;
    this.propertiesStart = routingKeyAt + 1 + bytes[routingKeyAt]!;
    this.sourceEnd = end;
  }
}

/** The part of basic.deliver that is the same for every delivery of a consumer: frame head without
 * its size, class and method, consumer tag. */
export function deliverPrefix(
  channel: number,
  method: number,
  consumerTag: string | null,
): Uint8Array {
  const tag = consumerTag === null ? null : Buffer.from(consumerTag);
  const bytes = Buffer.alloc(FRAME_HEAD_BYTES + 4 + (tag ? 1 + tag.length : 0));
  bytes[0] = FrameType.Method;
  writeUint16(bytes, 1, channel);
  writeUint32(bytes, FRAME_HEAD_BYTES, method);
  if (tag) {
    bytes[FRAME_HEAD_BYTES + 4] = tag.length;
    bytes.set(tag, FRAME_HEAD_BYTES + 5);
  }
  return bytes;
}

/** basic.deliver, or basic.get-ok when `messageCount` is not negative. */
export function writeDelivery(
  output: OutputBuffer,
  prefix: Uint8Array,
  deliveryTag: number,
  redelivered: boolean,
  messageCount: number,
  content: AddressedContent,
  frameBytesMax: number,
): void {
  const addressBytes = content.propertiesStart - content.sourceStart;
  const methodBytes = prefix.length + 9 + addressBytes + (messageCount < 0 ? 0 : 4) + 1;
  const start = output.reserveNext(methodBytes + contentBytesMax(content));
  const bytes = output.bytes;
  let at = copyBytes(bytes, start, prefix, 0, prefix.length);
  writeUint64(bytes, at, deliveryTag);
  bytes[at + 8] = redelivered ? 1 : 0;
  at = copyBytes(bytes, at + 9, content.source, content.sourceStart, content.propertiesStart);
  if (messageCount >= 0) {
    writeUint32(bytes, at, messageCount);
    at += 4;
  }
  bytes[at++] = FRAME_END;
  writeUint32(bytes, start + 3, at - start - FRAME_OVERHEAD_BYTES);
  writeContent(output, start, at, content, frameBytesMax, bytes[start + 1]!, bytes[start + 2]!);
}

/** basic.return: reply code and text instead of tags. */
export function writeReturn(
  output: OutputBuffer,
  prefix: Uint8Array,
  replyCode: number,
  replyText: string,
  content: AddressedContent,
  frameBytesMax: number,
): void {
  const text = Buffer.from(replyText);
  const addressBytes = content.propertiesStart - content.sourceStart;
  const methodBytes = prefix.length + 3 + text.length + addressBytes + 1;
  const start = output.reserveNext(methodBytes + contentBytesMax(content));
  const bytes = output.bytes;
  let at = copyBytes(bytes, start, prefix, 0, prefix.length);
  writeUint16(bytes, at, replyCode);
  bytes[at + 2] = text.length;
  at = copyBytes(bytes, at + 3, text, 0, text.length);
  at = copyBytes(bytes, at, content.source, content.sourceStart, content.propertiesStart);
  bytes[at++] = FRAME_END;
  writeUint32(bytes, start + 3, at - start - FRAME_OVERHEAD_BYTES);
  writeContent(output, start, at, content, frameBytesMax, bytes[start + 1]!, bytes[start + 2]!);
}

/** Room for the header frame and, when the body is copied into the same piece, one body frame. */
function contentBytesMax(content: AddressedContent): number {
  const body = content.bodyEnd - content.bodyStart;
  return (
    2 * FRAME_OVERHEAD_BYTES +
    CONTENT_HEAD_BYTES +
    (content.sourceEnd - content.propertiesStart) +
    (body < COPY_BYTES_MAX ? body : 0)
  );
}

/** Header and body frames behind what [start, at) holds; advances the output over everything. */
function writeContent(
  output: OutputBuffer,
  start: number,
  at: number,
  content: AddressedContent,
  frameBytesMax: number,
  channelHigh: number,
  channelLow: number,
): void {
  const bytes = output.bytes;
  const body = content.bodyEnd - content.bodyStart;
  const propertiesBytes = content.sourceEnd - content.propertiesStart;
  bytes[at] = FrameType.Header;
  bytes[at + 1] = channelHigh;
  bytes[at + 2] = channelLow;
  writeUint32(bytes, at + 3, CONTENT_HEAD_BYTES + propertiesBytes);
  writeUint32(bytes, at + 7, CLASS_BASIC << 16);
  writeUint64(bytes, at + 11, body);
  at = copyBytes(bytes, at + 19, content.source, content.propertiesStart, content.sourceEnd);
  bytes[at++] = FRAME_END;
  if (body < COPY_BYTES_MAX && body <= frameBytesMax - FRAME_OVERHEAD_BYTES) {
    if (body > 0) {
      bytes[at] = FrameType.Body;
      bytes[at + 1] = channelHigh;
      bytes[at + 2] = channelLow;
      writeUint32(bytes, at + 3, body);
      at = copyBytes(
        bytes,
        at + FRAME_HEAD_BYTES,
        content.body,
        content.bodyStart,
        content.bodyEnd,
      );
      bytes[at++] = FRAME_END;
    }
    output.advance(at - start);
    return;
  }
  output.advance(at - start);
  writeBodyFrames(output, content, frameBytesMax, channelHigh, channelLow);
}

function writeBodyFrames(
  output: OutputBuffer,
  content: AddressedContent,
  frameBytesMax: number,
  channelHigh: number,
  channelLow: number,
): void {
  const payloadBytesMax = frameBytesMax - FRAME_OVERHEAD_BYTES;
  for (let from = content.bodyStart; from < content.bodyEnd; from += payloadBytesMax) {
    const size = Math.min(payloadBytesMax, content.bodyEnd - from);
    const copied = content.stable ? 0 : size;
    let at = output.reserve(FRAME_HEAD_BYTES + copied + 1);
    output.bytes[at] = FrameType.Body;
    output.bytes[at + 1] = channelHigh;
    output.bytes[at + 2] = channelLow;
    writeUint32(output.bytes, at + 3, size);
    if (content.stable) {
      output.advance(FRAME_HEAD_BYTES);
      output.append(content.body.subarray(from, from + size));
      at = output.reserve(1);
      output.bytes[at] = FRAME_END;
      output.advance(1);
    } else {
      copyBytes(output.bytes, at + FRAME_HEAD_BYTES, content.body, from, from + size);
      output.bytes[at + FRAME_HEAD_BYTES + size] = FRAME_END;
      output.advance(FRAME_HEAD_BYTES + size + 1);
    }
  }
}
