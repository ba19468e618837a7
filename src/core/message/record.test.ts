import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDeaths } from './death-codec.ts';
import type { Death } from './message.ts';
import { Message, Origin } from './message.ts';
import {
  copyBytes,
  decodeRecord,
  encodeRecord,
  recordBytesMax,
  recordEnd,
  recordOffsetDelta,
  viewEncoded,
} from './record.ts';

const DEATHS: Death[] = [
  {
    queue: 'q',
    reason: 'rejected',
    count: 2,
    timeMs: 5,
    exchange: 'e',
    routingKeys: ['k'],
    originalExpiration: null,
  },
];

function fullMessage(): Message {
  const message = new Message();
  const bytes = Buffer.from('--source--|body|key|\u0002h\u0002v');
  message.origin = Origin.Amqp091;
  message.source = message.body = message.key = message.headers = bytes;
  [message.sourceStart, message.sourceEnd] = [2, 8];
  [message.bodyStart, message.bodyEnd] = [11, 15];
  [message.keyStart, message.keyEnd] = [16, 19];
  [message.headersStart, message.headersEnd] = [20, 24];
  message.hasKey = true;
  message.headerCount = 1;
  message.timestampMs = 1_700_000_000_123;
  message.priority = 200;
  message.durable = true;
  message.deliverAtMs = 1_800_000_000_000;
  message.arrivedMs = 1_750_000_000_000;
  message.deaths = DEATHS;
  message.dedupId = 'one ü';
  return message;
}

/** All that a Message shows, as plain values. */
function shown(message: Message): Record<string, unknown> {
  const text = (bytes: Uint8Array, start: number, end: number): string =>
    Buffer.from(bytes.subarray(start, end)).toString();
  return {
    origin: message.origin,
    source: text(message.source, message.sourceStart, message.sourceEnd),
    body: message.hasBody ? text(message.body, message.bodyStart, message.bodyEnd) : null,
    key: message.hasKey ? text(message.key, message.keyStart, message.keyEnd) : null,
    headerCount: message.headerCount,
    headers: text(message.headers, message.headersStart, message.headersEnd),
    timestampMs: message.timestampMs,
    expiresAtMs: message.expiresAtMs,
    deliverAtMs: message.deliverAtMs,
    arrivedMs: message.arrivedMs,
    dedupId: message.dedupId,
    priority: message.priority,
    durable: message.durable,
    deaths: message.deaths,
  };
}

function encoded(message: Message, expiresAtMs: number, offsetDelta = 3): Uint8Array {
  const deaths = message.deaths === null ? null : encodeDeaths(message.deaths);
  const target = new Uint8Array(recordBytesMax(message) + (deaths?.length ?? 0));
  const delta = message.timestampMs - 1_700_000_000_000;
  const end = encodeRecord(target, 0, message, delta, offsetDelta, expiresAtMs, deaths);
  assert.ok(end <= target.length);
  return target.subarray(0, end);
}

test('everything a message shows goes through a record', () => {
  const plain = new Message();
  plain.timestampMs = 1_600_000_000_000;
  const tombstone = new Message();
  tombstone.hasBody = false;
  tombstone.timestampMs = 1_700_000_000_000;
  for (const message of [fullMessage(), plain, tombstone]) {
    for (const expiresAtMs of [0, 1_900_000_000_000]) {
      const bytes = encoded(message, expiresAtMs);
      const direct = new Message();
      viewEncoded(direct, bytes, message, expiresAtMs);
      const view = fullMessage();
      decodeRecord(bytes, 0, view, 1_700_000_000_000);
      assert.deepEqual(shown(view), { ...shown(message), expiresAtMs });
      assert.deepEqual(shown(direct), shown(view));
      assert.equal(recordEnd, bytes.length);
      assert.equal(recordOffsetDelta, 3);
    }
  }
});

test('a record that a Kafka client wrote has no origin and keeps its headers', () => {
  // length | attributes | deltas | null key | value "v" | one header "h" = "w"
  const bytes = Uint8Array.of(22, 0, 0, 0, 1, 2, 0x76, 2, 2, 0x68, 2, 0x77);
  const view = fullMessage();
  decodeRecord(bytes, 0, view, 7);
  assert.equal(view.origin, Origin.None);
  assert.equal(view.headerCount, 1);
  assert.equal(view.headersEnd - view.headersStart, 4);
  assert.equal(view.timestampMs, 7);
  assert.equal(view.durable, true);
  assert.equal(view.deaths, null);
});

test('forged deaths make the header an ordinary one, they throw nothing', () => {
  for (const json of [
    '',
    '{',
    '"x"',
    '[]',
    '[{"queue":"q"}]',
    '[{"queue":"q","reason":"bored"}]',
  ]) {
    const message = fullMessage();
    message.deaths = DEATHS;
    const forged = Buffer.from(json);
    const target = new Uint8Array(recordBytesMax(message) + forged.length);
    const end = encodeRecord(target, 0, message, 0, 0, 0, forged);
    const view = new Message();
    decodeRecord(target.subarray(0, end), 0, view, 0);
    assert.equal(view.origin, Origin.None, json);
    assert.equal(view.headerCount, 2);
    assert.equal(view.priority, 0);
  }
});

test('any bytes either decode within themselves or are a RangeError', () => {
  const whole = encoded(fullMessage(), 1_900_000_000_000);
  const view = new Message();
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  let decodedCount = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from(
      whole.subarray(0, round % 3 === 0 ? random(whole.length) : whole.length),
    );
    for (let i = 0; i <= random(3) && bytes.length > 0; i++)
      bytes[random(bytes.length)] = random(256);
    try {
      decodeRecord(bytes, 0, view, 0);
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
      continue;
    }
    decodedCount++;
    for (const [start, end] of [
      [view.keyStart, view.keyEnd],
      [view.bodyStart, view.bodyEnd],
      [view.sourceStart, view.sourceEnd],
      [view.headersStart, view.headersEnd],
    ] as const) {
      assert.ok(start <= end && end <= bytes.length, `[${start}, ${end}) of ${bytes.length}`);
    }
    assert.ok(recordEnd <= bytes.length);
  }
  assert.ok(decodedCount > 1000);
});

test('copyBytes copies both ways', () => {
  const source = Uint8Array.from({ length: 200 }, (_, index) => index);
  for (const length of [0, 1, 31, 32, 33, 100]) {
    const target = new Uint8Array(200);
    assert.equal(copyBytes(target, 5, source, 7, 7 + length), 5 + length);
    assert.deepEqual(target.subarray(5, 5 + length), source.subarray(7, 7 + length));
    assert.equal(target[5 + length], 0);
  }
});
