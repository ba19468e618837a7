/**
 * docs/mapping.md, row by row: every row is published by every protocol's client and seen by every
 * protocol's client, 4 × 4. The bridges between them are the configuration's bindings. A row of the
 * page without a check here fails, and so does a check without a row.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { eventually, startTestServer, type TestServer } from '#test/drive/server.ts';
import { AmqpDoor } from './doors/amqp-door.ts';
import {
  type Door,
  FROM_QUEUE,
  FROM_TOPIC,
  PROPERTY_NAMES,
  type Seen,
  type Sent,
  SUBJECT,
  TO_QUEUE,
  TO_SQS,
  TO_TOPIC,
  type Value,
} from './doors/door.ts';
import { KafkaDoor } from './doors/kafka-door.ts';
import { NatsDoor } from './doors/nats-door.ts';
import { SqsDoor } from './doors/sqs-door.ts';

interface Row {
  sent: Sent;
  /** Checks more than what every row must keep: body and key. */
  check?: (seen: Seen, from: Door, to: Door) => void;
}

const DOORS = ['amqp', 'kafka', 'nats', 'sqs'] as const;
const BINARY = Buffer.from([0xff, 0xfe, 0x00, 0x80]);
const TIMESTAMP_MS = 1_700_000_123_000;
const PATIENCE_MS = 20_000;

const SUBJECTS = { exchange: 'amq.topic' };
const BINDINGS = [
  { from: { topic: FROM_TOPIC }, to: SUBJECTS, key: '#', as: SUBJECT('kafka') },
  { from: { queue: FROM_QUEUE }, to: SUBJECTS, key: '#', as: SUBJECT('sqs') },
  { from: SUBJECTS, to: { queue: TO_QUEUE }, key: 'm.#' },
  { from: SUBJECTS, to: { topic: TO_TOPIC }, key: 'm.#' },
  { from: SUBJECTS, to: { queue: TO_SQS }, key: 'm.#' },
];

/** A value in the header `h`, as what is left of it when one wrote it and another shows it. */
function header(value: Value): Row {
  return {
    sent: { headers: { h: value } },
    check: ({ headers }, from, to) => {
      assert.deepEqual(headers['h'], to.shows(from.sends(value)));
    },
  };
}

function property(name: (typeof PROPERTY_NAMES)[number], value = `some ${name}`): Row {
  return {
    sent: { properties: { [name]: value } },
    check: ({ properties, headers }) => {
      assert.equal(properties[name], value);
      assert.equal(headers[name], undefined, 'not twice');
    },
  };
}

const ROWS: Record<string, Row> = {
  'text body': { sent: { body: Buffer.from('grün & <b>\t"x"') } },
  'binary body': { sent: { body: BINARY } },
  'empty body': { sent: { body: Buffer.alloc(0) } },
  'null value': { sent: { body: null } },
  key: { sent: { key: 'k1' }, check: ({ key }) => assert.equal(key, 'k1') },
  address: {
    sent: {},
    check: ({ address, key }, from, to) => {
      if (to.name === 'amqp' || to.name === 'nats') assert.equal(address, SUBJECT(from.name));
      if (to.name === 'kafka' && from.name !== 'kafka') assert.equal(key, SUBJECT(from.name));
    },
  },
  timestamp: {
    sent: { timestampMs: TIMESTAMP_MS },
    check: ({ timestampMs }, from, to) => {
      if (to.name === 'nats') assert.equal(timestampMs, null);
      else if (to.name === 'sqs' && from.name !== 'kafka')
        assert.ok(Math.abs(Date.now() - timestampMs!) < 60_000);
      else assert.equal(timestampMs, TIMESTAMP_MS);
    },
  },
  ...Object.fromEntries(PROPERTY_NAMES.map((name) => [name, property(name)])),
  'user-id': property('user-id', 'guest'),
  'reply-to': {
    sent: { replyTo: 'replies.42' },
    check: ({ replyTo, headers }) => {
      assert.equal(replyTo, 'replies.42');
      assert.equal(headers['reply-to'], undefined, 'not twice');
    },
  },
  'delivery-mode': {
    sent: {},
    check: ({ durable }, from, to) => {
      // amqplib's own default is not persistent.
      if (to.name === 'amqp') assert.equal(durable, from.name !== 'amqp');
    },
  },
  priority: { sent: { priority: 7 }, check: ({ priority }) => assert.equal(priority, 7) },
  expiration: {
    sent: { expirationMs: 60_000 },
    check: ({ expirationMs }) => assert.equal(expirationMs, 60_000),
  },
  'cluster-id': {
    sent: {},
    check: ({ headers }) => assert.equal(headers['cluster-id'], undefined),
  },
  text: header('grün'),
  bytes: header(BINARY),
  integer: header(42),
  double: header(1.5),
  boolean: header(true),
  'timestamp header': header(new Date(TIMESTAMP_MS)),
  table: header({ a: 1, b: { c: 'x' } }),
  array: header([1, 'two']),
  'repeated name': {
    sent: { repeated: { name: 'h', values: ['1', '2'] } },
    check: ({ headers }, _from, to) => {
      assert.deepEqual(headers['h'], to.name === 'sqs' ? '1' : ['1', '2']);
    },
  },
  'unusual name': {
    sent: { headers: { 'un usual': 'x', usual: 'y' } },
    check: ({ headers }, _from, to) => {
      const isShown = to.name === 'amqp' || to.name === 'kafka';
      assert.equal(headers['un usual'], isShown ? 'x' : undefined);
      assert.equal(headers['usual'], 'y');
    },
  },
  CC: {
    sent: { headers: { CC: ['copies'] } },
    check: ({ headers }, from, to) => {
      assert.deepEqual(headers['CC'], to.shows(from.sends(['copies'])));
    },
  },
  BCC: {
    sent: { headers: { BCC: ['copies'] } },
    check: ({ headers }, from, to) => {
      const kept = from.name === 'amqp' ? undefined : to.shows(from.sends(['copies']));
      assert.deepEqual(headers['BCC'], kept);
    },
  },
};
const NAMES = Object.keys(ROWS);

let server: TestServer;
const doors = new Map<string, Door>();
/** By publisher and receiver, in the order of the rows that the publisher can say. */
const seen = new Map<string, Seen[]>();

const sayable = (door: Door): string[] =>
  NAMES.filter((name) => !door.cannotSend(ROWS[name]!.sent));

before(async () => {
  server = await startTestServer({ bindings: BINDINGS });
  for (const door of [
    await AmqpDoor.open(server.amqpUrl),
    await KafkaDoor.open(server.kafka),
    await NatsDoor.open(server.nats),
    SqsDoor.open(server.sqs),
  ]) {
    doors.set(door.name, door);
  }
  for (const from of doors.values()) {
    const names = sayable(from);
    for (const name of names) await from.publish(ROWS[name]!.sent);
    for (const to of doors.values()) {
      await eventually(() => to.seen.length >= names.length, PATIENCE_MS).catch(() => {});
      seen.set(`${from.name} → ${to.name}`, to.seen.splice(0));
    }
  }
});

after(async () => {
  for (const door of doors.values()) await door.close();
  await server.stop();
});

test('every row of docs/mapping.md has a check, and every check a row', () => {
  const page = readFileSync(new URL('../../docs/mapping.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| (?!Property|-)([^|]+?) \|/gm)].map(([, name]) => name);
  assert.ok(rows.length > 20);
  assert.equal(new Set(rows).size, rows.length, 'no row twice');
  assert.deepEqual(new Set(rows), new Set(NAMES));
});

for (const fromName of DOORS) {
  for (const toName of DOORS) {
    describe(`${fromName} → ${toName}`, () => {
      test('nothing is missing and nothing comes twice', () => {
        const found = seen.get(`${fromName} → ${toName}`)!;
        assert.equal(found.length, sayable(doors.get(fromName)!).length);
      });
      for (const name of NAMES) test(name, () => checkCell(name, fromName, toName));
    });
  }
}

/** A row that the publisher's protocol cannot say is said by others; then nothing is to be seen. */
function checkCell(name: string, fromName: string, toName: string): void {
  const from = doors.get(fromName)!;
  const at = sayable(from).indexOf(name);
  if (at < 0) return;
  const row = ROWS[name]!;
  const found = seen.get(`${fromName} → ${toName}`)![at]!;
  const { body } = row.sent;
  assert.deepEqual(found.body, body === undefined ? Buffer.from('x') : (body ?? Buffer.alloc(0)));
  row.check?.(found, from, doors.get(toName)!);
}

test('every row is said by somebody', () => {
  const said = new Set([...doors.values()].flatMap(sayable));
  assert.deepEqual(said, new Set(NAMES));
});
