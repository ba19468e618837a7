/**
 * Fuzzes NATS connections in this process. Each session introduces itself, then sends operations of
 * a valid script, mutated, cut anywhere. Some of its subjects lead to queues. Meanwhile a witness on
 * a connection of its own publishes and must get back exactly what it sent.
 */
import assert from 'node:assert/strict';
import { defaultQueueOptions } from '#core/queue/queue-options.ts';
import { connect, LOOPBACK, MemoryBroker } from '#test/drive/memory-broker.ts';
import { NatsPeer } from '#test/drive/nats-peer.ts';
import { heapMiB, mutate, pieces, type Fuzzer } from '#test/fuzz/fuzzer.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import type { Protocol } from '#protocols/contract.ts';
import type { NatsConnection } from './connection.ts';
import { nats } from './index.ts';

const WITNESS_EVERY = 200;
const CLEAN_EVERY = 500;
const SESSIONS_BEFORE_MEASURING = 2000;
const OPERATIONS_PER_SESSION_MAX = 40;
const FAR = { ...LOOPBACK, remoteAddress: '10.0.0.1', loopback: false };

const BLOCK = 'NATS/1.0 200 OK\r\ncontent-type: text/plain\r\na: 1\r\na: 2\r\nx-key: k\r\n\r\n';

function hpub(args: string, body: string): string {
  return `HPUB ${args} ${BLOCK.length} ${BLOCK.length + body.length}\r\n${BLOCK}${body}\r\n`;
}

const CONNECTS = [
  'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n',
  'CONNECT {"verbose":true,"headers":true,"echo":false}\r\n',
  'CONNECT {"verbose":false,"protocol":1,"name":"n","lang":"l","version":"v"}\r\n',
  'CONNECT {"user":"guest","pass":"guest","headers":true}\r\n',
  'CONNECT {}\r\nPING\r\n',
];

/** Everything a client can send. */
const SCRIPT: readonly Buffer[] = [
  ...CONNECTS,
  'CONNECT {"user":"guest","pass":"wrong"}\r\n',
  'CONNECT {"auth_token":"t"}\r\n',
  'SUB a.* 1\r\n',
  'SUB a.> 2\r\nSUB > 3\r\n',
  'SUB a.b workers 4\r\nSUB a.* workers 5\r\n',
  'sub\ta.b\t6\r\n',
  'SUB # 7\r\n',
  'SUB stored.> 8\r\n',
  'SUB _INBOX.x.* 9\r\n',
  'UNSUB 1\r\nUNSUB 2 3\r\n',
  'UNSUB 4\r\n',
  'PUB a.b 5\r\nhello\r\n',
  'PUB a.b 5\r\nhello\r\nPUB a.b 5\r\nagain\r\nPUB a.b 5\r\nmore!\r\n',
  'PUB a.b _INBOX.x.1 0\r\n\r\n',
  'pub  a.c   12  \r\nwith\r\nPUB \0\xff\r\n',
  `PUB a.large 6000\r\n${'0123456789'.repeat(600)}\r\n`,
  hpub('a.b', 'body'),
  hpub('a.b _INBOX.x.2', ''),
  hpub('stored.h reply', 'kept'),
  'PUB stored.a 4\r\nkept\r\n',
  'PUB nobody _INBOX.x.3 1\r\nx\r\n',
  'PUB a..b 1\r\nx\r\nPUB * 1\r\ny\r\nPUB a.# 1\r\nz\r\n',
  'PING\r\n',
  'PONG\r\nPING\r\n',
  '+OK\r\n',
  'INFO {}\r\n',
].map((text) => Buffer.from(text, 'latin1'));

export const fuzz: Fuzzer = async ({ count, seed }) => {
  const memory = await MemoryBroker.open({ seed });
  const protocol = nats(memory.broker, { host: '127.0.0.1', port: 4222 });
  makeQueues(memory);
  const witness = new Witness(await NatsPeer.open(memory, protocol));
  await witness.subscribe();
  const seeds = new SeededRandom(seed);
  let frames = 0;
  let sessions = 0;
  let refused = 0;
  let heapBeforeMiB = 0;
  while (frames < count) {
    const sessionSeed = seeds.below(2 ** 31);
    try {
      const sent = await session(memory, protocol, new SeededRandom(sessionSeed));
      frames += sent.operations;
      if (sent.ended) refused++;
      sessions++;
      if (sessions % WITNESS_EVERY === 0) await witness.check(`${sessions}`);
      if (sessions % CLEAN_EVERY === 0) await clean(memory);
    } catch (error) {
      throw new Error(`session with seed ${sessionSeed} failed`, { cause: error });
    }
    if (sessions === SESSIONS_BEFORE_MEASURING) heapBeforeMiB = heapMiB();
  }
  await clean(memory);
  await witness.check('the end');
  return { frames, sessions, refused, heapBeforeMiB, heapAfterMiB: heapMiB() };
};

function makeQueues({ broker: { defaultNamespace } }: MemoryBroker): void {
  const options = { ...defaultQueueOptions(), durable: true };
  defaultNamespace.declareQueue('dead', options);
  defaultNamespace.declareQueue('stored', {
    ...options,
    lengthMax: 50,
    deadLetterExchange: 'amq.topic',
    deadLetterRoutingKey: 'a.dead',
  });
  defaultNamespace.bind('amq.topic', { kind: 'queue', name: 'stored' }, 'stored.#', {});
  defaultNamespace.bind('amq.topic', { kind: 'queue', name: 'dead' }, 'a.dead', {});
}

async function session(
  memory: MemoryBroker,
  protocol: Protocol,
  random: SeededRandom,
): Promise<{ operations: number; ended: boolean }> {
  const { sink, connection } = connect(protocol, random.below(16) === 0 ? FAR : LOOPBACK);
  const send = (bytes: Uint8Array): void => {
    for (const piece of pieces(bytes, random)) {
      // Overwritten afterwards, as a server's read buffer is.
      const reused = new Uint8Array(piece);
      connection.receive(reused);
      reused.fill(0xff);
    }
  };
  const opening = Buffer.from(CONNECTS[random.below(CONNECTS.length)]!);
  send(random.below(16) === 0 ? mutate(opening, random) : opening);
  const limit = 1 + random.below(OPERATIONS_PER_SESSION_MAX);
  let operations = 0;
  // What comes after the end is ignored, so it tests nothing.
  while (operations < limit && !(connection as NatsConnection).hasEnded) {
    const next = SCRIPT[random.below(SCRIPT.length)]!;
    send(random.below(10) === 0 ? mutate(next, random) : next);
    operations++;
    if (random.below(4) === 0) {
      memory.turn();
      // Passwords are checked by promise.
      for (let i = 0; i < 3; i++) await Promise.resolve();
    }
    checkOutput(sink.take());
    if (random.below(50) === 0) sink.blocked = !sink.blocked;
    if (random.below(50) === 0) connection.tick(memory.nowMs + random.below(5000));
  }
  const ended = (connection as NatsConnection).hasEnded;
  connection.tick(memory.nowMs);
  connection.close(random.below(2) === 0 ? 'gone' : 'forced');
  memory.turn();
  return { operations, ended };
}

/** Arguments end at a space or tab only. */
const DELIVERY =
  /^(?:MSG [^ \t\r\n]+ [^ \t\r\n]+(?: [^ \t\r\n]+)?|HMSG [^ \t\r\n]+ [^ \t\r\n]+(?: [^ \t\r\n]+)? \d+) (\d+)\r\n/;
const OTHER = /^(?:\+OK|PING|PONG|INFO \{.*\} |-ERR '[^\r\n]*')\r\n/;

/** Whatever came in, what goes out can be read. */
function checkOutput(bytes: Buffer): void {
  let rest = bytes.toString('latin1');
  while (rest.length > 0) {
    const delivery = DELIVERY.exec(rest);
    const head = (delivery ?? OTHER.exec(rest))?.[0];
    assert.ok(head !== undefined, `unreadable: ${JSON.stringify(rest.slice(0, 200))}`);
    let end = head.length;
    if (delivery) {
      end += Number(delivery[1]);
      assert.equal(rest.slice(end, end + 2), '\r\n', JSON.stringify(rest.slice(0, 200)));
      end += 2;
    }
    rest = rest.slice(end);
  }
}

class Witness {
  readonly #peer: NatsPeer;
  #count = 0;

  constructor(peer: NatsPeer) {
    this.#peer = peer;
  }

  async subscribe(): Promise<void> {
    await this.#peer.say('SUB witness.* 1');
  }

  async check(when: string): Promise<void> {
    const subject = `witness.${this.#count}`;
    const body = `${this.#count++} ${when}`;
    const got = await this.#peer.say(`PUB ${subject} ${body.length}`, body, 'PING');
    const messages = got.split('\r\n').filter((line) => line !== 'PING');
    const expected = [`MSG ${subject} 1 ${body.length}`, body, 'PONG', ''];
    assert.deepEqual(messages, expected, `the witness was disturbed at ${when}`);
  }
}

/** Nothing of the ended sessions may be held. */
async function clean(memory: MemoryBroker): Promise<void> {
  await memory.settle();
  const { defaultNamespace: namespace } = memory.broker;
  assert.equal(namespace.exchange('amq.topic').liveCount, 1, 'subscriptions of nobody');
  for (const queue of namespace.queues.values()) queue.purge();
  memory.warnings.length = 0;
  await memory.settle();
}
