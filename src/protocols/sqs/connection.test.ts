import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { MemoryBroker } from '#test/drive/memory-broker.ts';
import {
  answersIn,
  formRequest,
  getRequest,
  jsonRequest,
  sqsOf,
  SqsPeer,
} from '#test/drive/sqs-peer.ts';
import { SHAPES_OF_SMUGGLING } from '#test/drive/sqs-samples.ts';

const QueueUrl = 'http://localhost:9324/000000000000/orders';
const poll = jsonRequest('ReceiveMessage', { QueueUrl, WaitTimeSeconds: 20 });
const send = (MessageBody: string): Buffer => jsonRequest('SendMessage', { QueueUrl, MessageBody });

const MUCH = 1024 ** 4;

let memory: MemoryBroker;
let peer: SqsPeer;

beforeEach(async () => {
  memory = await MemoryBroker.open();
  peer = new SqsPeer(memory);
  await peer.json('CreateQueue', { QueueName: 'orders' });
});

/** Ticks a second each, until it ends. */
function secondsUntilEnd(): number {
  const { connection } = peer.driven;
  for (let s = 1; s <= 600; s++) {
    memory.nowMs += 1000;
    connection.tick(memory.nowMs);
    if (peer.ended) return s;
  }
  return Infinity;
}

describe('an answer', () => {
  test('to a send comes after the commit, not before', async () => {
    peer.send(send('x'));
    assert.deepEqual(peer.answers(), []);
    await memory.settle();
    assert.equal(peer.answers()[0]!.status, 200);
  });

  test('to each of several requests at once comes in their order', async () => {
    peer.send(
      Buffer.concat([send('a'), getRequest('/'), send('b'), poll, jsonRequest('ListQueues')]),
    );
    await memory.settle();
    const answers = peer.answers();
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 404, 200, 200, 200],
    );
    assert.match(answers[3]!.body, /"Body":"a"/);
    assert.match(answers[4]!.body, /QueueUrls/);
  });

  test('to what comes behind a long poll waits for it', async () => {
    peer.send(Buffer.concat([poll, jsonRequest('ListQueues')]));
    await memory.settle();
    assert.deepEqual(peer.answers(), []);
    await memory.advance(20_000);
    const answers = peer.answers();
    assert.equal(answers.length, 2);
    assert.equal(answers[0]!.body, '{}');
  });

  test('closes the connection when the client says so, or speaks HTTP/1.0', async () => {
    const closing = await peer.ask(
      jsonRequest('ListQueues', {}, { fields: ['Connection: close'] }),
    );
    assert.equal(closing.fields.get('connection'), 'close');
    assert.equal(peer.ended, true);
    const old = new SqsPeer(memory);
    const kept = await old.ask(Buffer.from('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'));
    assert.equal(kept.fields.get('connection'), 'keep-alive');
    assert.equal(old.ended, false);
    await old.ask(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
    assert.equal(old.ended, true);
  });

  test('to HEAD has no body, and nothing is done', async () => {
    const target = '/000000000000/orders?Action=SendMessage&MessageBody=x';
    peer.send(Buffer.from(`HEAD ${target} HTTP/1.1\r\nHost: h\r\n\r\n`));
    await memory.settle();
    const bytes = peer.driven.sink.take().toString();
    assert.match(bytes, /^HTTP\/1.1 404 [^]*Content-Length: [1-9]\d*\r\n\r\n$/);
    assert.equal(memory.broker.defaultNamespace.queue('orders', null).readyCount, 0);
  });

  test('to OPTIONS says what is served', async () => {
    const { status, fields } = await peer.ask(Buffer.from('OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'));
    assert.equal(status, 200);
    assert.equal(fields.get('allow'), 'GET, HEAD, OPTIONS, POST');
  });

  test('100 comes before the body', async () => {
    const request = jsonRequest('ListQueues', {}, { fields: ['Expect: 100-continue'] });
    peer.send(request.subarray(0, -2));
    assert.equal(peer.driven.sink.take().toString(), 'HTTP/1.1 100 Continue\r\n\r\n');
    const answer = await peer.ask(request.subarray(-2));
    assert.equal(answer.status, 200);
  });
});

describe('what is no request', () => {
  test('is refused, counted, and ends the connection', async () => {
    const metrics = memory.broker.metrics.protocol('sqs');
    for (const shape of SHAPES_OF_SMUGGLING) {
      const { connectionsFailed, requests } = metrics;
      const own = new SqsPeer(memory);
      own.send(shape);
      await memory.settle();
      const [answer, ...more] = own.answers();
      assert.ok([400, 501].includes(answer!.status), shape.toString());
      assert.deepEqual(more, []);
      assert.equal(answer!.fields.get('connection'), 'close');
      assert.match(answer!.body, /<Type>(Sender|Receiver)<\/Type><Code>\w+<\/Code><Message>/);
      assert.equal(own.ended, true);
      assert.equal(metrics.connectionsFailed, connectionsFailed + 1);
      assert.equal(metrics.requests, requests, 'something was let through');
    }
  });

  test('may come after requests that are answered', async () => {
    peer.send(Buffer.concat([send('a'), Buffer.from('nonsense\r\n\r\n')]));
    await memory.settle();
    assert.deepEqual(
      peer.answers().map(({ status }) => status),
      [200, 400],
    );
    assert.equal(peer.ended, true);
  });

  test('a body that is too large is not waited for', () => {
    const head = `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${9 * 1024 * 1024}\r\n\r\n`;
    peer.send(Buffer.from(head));
    assert.equal(peer.answers()[0]!.status, 413);
    assert.equal(peer.ended, true);
  });
});

describe('time', () => {
  test('a head that comes too slowly', () => {
    peer.send(Buffer.from('POST / HTTP/1.1\r\nHo'));
    for (let i = 0; i < 8; i++) {
      memory.nowMs += 1000;
      peer.send(Buffer.from('x'));
      peer.driven.connection.tick(memory.nowMs);
    }
    assert.equal(peer.ended, false);
    assert.ok(secondsUntilEnd() <= 3);
    assert.equal(peer.answers()[0]!.status, 408);
  });

  test('a body that stops', () => {
    peer.send(send('x').subarray(0, -1));
    const seconds = secondsUntilEnd();
    assert.ok(seconds > 19 && seconds < 23, `${seconds}`);
    assert.equal(peer.answers()[0]!.status, 408);
  });

  test('a body that goes on for ever, byte by byte', () => {
    const request = send('x'.repeat(1000));
    let at = request.length - 900;
    peer.send(request.subarray(0, at));
    let seconds = 0;
    for (; !peer.ended && seconds < 600; seconds++) {
      memory.nowMs += 1000;
      peer.send(request.subarray(at, ++at));
      peer.driven.connection.tick(memory.nowMs);
    }
    assert.ok(seconds > 119 && seconds < 123, `${seconds}`);
  });

  test('a connection that says nothing is closed without a word; one that waits is not', async () => {
    peer.send(poll);
    await memory.settle();
    assert.equal(secondsUntilEnd(), Infinity);
    peer.driven.connection.close('gone');
    peer = new SqsPeer(memory);
    const seconds = secondsUntilEnd();
    assert.ok(seconds > 179 && seconds < 183, `${seconds}`);
    assert.deepEqual(peer.answers(), []);
  });
});

describe('backpressure', () => {
  test('behind a request in the works not everything is read', async () => {
    const { sink, connection } = peer.driven;
    peer.send(poll);
    for (let i = 0; i < 3; i++) peer.send(Buffer.alloc(60_000, send('x')));
    assert.equal(sink.paused, true);
    await memory.advance(20_000);
    assert.equal(sink.paused, false);
    connection.close('gone');
  });

  test('a client that does not read its answers is not served', async () => {
    const { sink, connection } = peer.driven;
    sink.blocked = true;
    peer.send(Buffer.concat([getRequest('/'), getRequest('/'), getRequest('/')]));
    assert.equal(answersIn(sink.take()).length, 1);
    sink.blocked = false;
    connection.drained();
    assert.equal(answersIn(sink.take()).length, 2);
  });

  test('large requests that arrive at the same time are bounded together', async () => {
    memory = await MemoryBroker.open({ limits: { assembledBytesMax: 100_000 } });
    const protocol = sqsOf(memory);
    const first = new SqsPeer(memory, protocol);
    const second = new SqsPeer(memory, protocol);
    const request = send('x'.repeat(200_000));
    first.send(request.subarray(0, 60_000));
    second.send(request.subarray(0, 60_000));
    assert.equal(second.answers()[0]!.status, 503);
    assert.equal(second.ended, true);
    assert.equal(first.ended, false);
    first.driven.connection.close('gone');
    const third = new SqsPeer(memory, protocol);
    third.send(request.subarray(0, 60_000));
    assert.equal(third.ended, false);
  });
});

describe('while memory is short', () => {
  test('a send waits until there is more', async () => {
    memory.broker.memory.took(MUCH);
    memory.broker.tick(memory.nowMs + 1000);
    assert.equal(memory.broker.alarms.memory, true);
    assert.equal((await peer.ask(jsonRequest('ListQueues'))).status, 200);
    peer.send(send('x'));
    await memory.settle();
    assert.deepEqual(peer.answers(), []);
    memory.broker.memory.gave(MUCH);
    memory.broker.tick(memory.nowMs + 2000);
    await memory.settle();
    assert.equal(peer.answers()[0]!.status, 200);
  });

  test('and is refused when the disk is full by then', async () => {
    memory.broker.memory.took(MUCH);
    memory.broker.tick(memory.nowMs + 1000);
    peer.send(send('x'));
    await memory.settle();
    Object.defineProperty(memory.broker.store, 'hasSpace', { get: () => false });
    memory.broker.memory.gave(MUCH);
    memory.broker.tick(memory.nowMs + 2000);
    await memory.settle();
    const [answer] = peer.answers();
    assert.equal(answer!.status, 503);
    assert.match(answer!.body, /ServiceUnavailable/);
  });

  test('and is told to slow down when there is none for long', async () => {
    memory.broker.memory.took(MUCH);
    memory.broker.tick(memory.nowMs + 1000);
    peer.send(formRequest('Action=SendMessage&MessageBody=x', { path: '/000000000000/orders' }));
    await memory.advance(1001);
    const [answer] = peer.answers();
    assert.equal(answer!.status, 403);
    assert.match(answer!.body, /<Code>RequestThrottled<\/Code>/);
  });
});
