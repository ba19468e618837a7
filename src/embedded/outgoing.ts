/** What `publish` was given, as a message of no protocol: properties are neutral headers. */
import { emptyEnvelope } from '#core/message/envelope.ts';
import { Message } from '#core/message/message.ts';
import { encodeNeutral, readdressNeutral } from '#core/message/neutral-headers.ts';
import type { PublishOptions } from './api.ts';

export function outgoing(
  address: string,
  body: string | Uint8Array | object,
  options: PublishOptions,
  nowMs: number,
): Message {
  const { exchange = '', key, headers = {}, durable = true, delayMs = 0, ...given } = options;
  const properties = Object.fromEntries(Object.entries(given).filter(([, it]) => it !== undefined));
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  const message = new Message();
  encodeNeutral({ ...emptyEnvelope(), ...properties, headers: list }, message);
  message.headers = new Uint8Array(message.headers.subarray(0, message.headersEnd));
  readdressNeutral(message, exchange, address);
  message.body = bodyOf(body);
  message.bodyEnd = message.body.length;
  if (key !== undefined) {
    message.hasKey = true;
    message.key = bodyOf(key);
    message.keyEnd = message.key.length;
  }
  message.timestampMs = nowMs;
  const { expirationMs = null, priority = null } = given;
  message.expiresAtMs = expirationMs === null ? 0 : nowMs + expirationMs;
  message.deliverAtMs = delayMs === 0 ? 0 : nowMs + delayMs;
  message.priority = priority ?? 0;
  message.durable = durable;
  return message;
}

function bodyOf(body: string | Uint8Array | object): Uint8Array {
  if (body instanceof Uint8Array) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
