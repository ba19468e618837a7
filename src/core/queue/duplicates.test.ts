/** Messages that come again: known in the window, also after a restart, also when long settled. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueueRig, bodyText, logConfig } from '#test/rigs/queue-rig.ts';
import { SeededRandom } from '#test/rigs/seeded-random.ts';
import { Message, Outcome } from '../message/message.ts';
import type { Queue } from './queue.ts';
import type { DuplicateRule, QueueOptions } from './queue-options.ts';

const RULE: DuplicateRule = { windowMs: 1000, scope: 'queue', contentBased: false };

function withRule(rule: Partial<DuplicateRule> = {}): Partial<QueueOptions> {
  return { durable: true, duplicates: { ...RULE, ...rule } };
}

test('an id is taken once in its window, and the first is named', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule());
  const routed = Outcome.Routed | Outcome.AwaitCommit;
  assert.equal(rig.publish(queue, 'none'), Outcome.Routed);
  const first = rig.message('first', { dedupId: 'a', durable: true });
  assert.equal(queue.duplicateOf(first), -1);
  assert.equal(queue.nextOffset, 1);
  assert.equal(queue.publish(first), routed);
  assert.equal(queue.duplicateOf(first), 1);
  // A confirm waits for the commit of the first, which may be under way.
  assert.equal(queue.publish(first), routed);
  rig.publish(queue, 'none');
  rig.publish(queue, 'second', { dedupId: 'b' });
  rig.pass(999);
  rig.publish(queue, 'again', { dedupId: 'a' });
  assert.equal(queue.readyCount, 4);
  rig.pass(1);
  rig.publish(queue, 'late', { dedupId: 'a' });
  assert.deepEqual(rig.takeAll(queue), ['none', 'first', 'none', 'second', 'late']);
});

test('the window of an id begins with the first message, not with the last duplicate', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule());
  for (let i = 0; i <= 10; i++) {
    rig.publish(queue, String(i), { dedupId: 'a' });
    rig.pass(200);
  }
  assert.deepEqual(rig.takeAll(queue), ['0', '5', '10']);
});

test('by group, and altered to the whole queue, while the window goes on', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule({ scope: 'group' }));
  rig.publish(queue, 'x', { dedupId: 'a', group: 'x' });
  rig.publish(queue, 'y', { dedupId: 'a', group: 'y' });
  rig.publish(queue, 'again', { dedupId: 'a', group: 'x' });
  assert.equal(queue.readyCount, 2);
  queue.alter({ duplicates: { ...RULE, scope: 'queue' } });
  rig.publish(queue, 'z', { dedupId: 'a', group: 'z' });
  assert.equal(queue.readyCount, 2);
  queue.alter({ duplicates: { ...RULE, scope: 'group' } });
  rig.publish(queue, 'z', { dedupId: 'a', group: 'z' });
  assert.deepEqual(rig.takeAll(queue), ['x', 'y', 'z']);
  assert.throws(() => queue.alter({ duplicates: null }), /duplicates/);
  assert.throws(() => rig.declare('other').alter({ duplicates: RULE }), /duplicates/);
});

test('what came before is forgotten when the rule says so, also after a restart', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule({ scope: 'group' }));
  rig.publish(queue, 'x', { dedupId: 'a', group: 'x', durable: true });
  rig.publish(queue, 'y', { dedupId: 'a', group: 'y', durable: true });
  queue.alter({ duplicates: { ...RULE, sinceOffset: 2 } });
  const z = rig.message('z', { dedupId: 'a', group: 'z', durable: true });
  assert.equal(queue.duplicateOf(z), -1);
  queue.publish(z);
  assert.equal(queue.duplicateOf(z), 2);
  const duplicates = { ...RULE, sinceOffset: queue.nextOffset };
  queue.alter({ duplicates });
  rig.turn();
  await rig.restart({ q: { duplicates } }, rig.store);
  const again = rig.queues.get('q')!;
  assert.equal(again.duplicateOf(z), -1);
  again.publish(z);
  assert.equal(again.duplicateOf(z), 3);
});

test('without an id the body is one, and consumers see it', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule({ contentBased: true }));
  const message = rig.message('body');
  queue.publish(message);
  assert.equal(message.dedupId, null, 'the publisher’s message goes to other queues as it was');
  rig.publish(queue, 'body', { group: 'other' });
  rig.publish(queue, 'body', { dedupId: 'own' });
  rig.publish(queue, 'other');
  assert.equal(queue.readyCount, 3);
  const view = new Message();
  const ids: (string | null)[] = [];
  for (let i = 0; i < 3; i++) {
    await queue.get(view, rig);
    ids.push(view.dedupId);
  }
  const sha256 = '230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5';
  assert.deepEqual(ids.slice(0, 2), [sha256, 'own']);
});

test('what was refused is not known; a dead letter is no duplicate', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', {
    ...withRule(),
    messageBytesMax: 3,
    lengthMax: 1,
    overflow: 'reject-publish',
    deadLetterExchange: '',
    deadLetterRoutingKey: 'dead',
  });
  const dead = rig.declare('dead', withRule());
  assert.equal(rig.publish(queue, 'long', { dedupId: 'a' }), Outcome.Refused);
  assert.equal(rig.publish(queue, 'abc', { dedupId: 'a' }), Outcome.Routed);
  assert.equal(rig.publish(queue, 'def', { dedupId: 'b' }), Outcome.Refused);
  rig.publish(dead, 'here before', { dedupId: 'a' });
  queue.lease(1, 1000, rig, () => {});
  queue.reject(0, 'rejected');
  assert.equal(rig.publish(queue, 'def', { dedupId: 'b' }), Outcome.Routed);
  assert.equal(rig.publish(queue, 'abc', { dedupId: 'a' }), Outcome.Routed);
  assert.deepEqual(rig.takeAll(queue), ['def']);
  assert.deepEqual(rig.takeAll(dead), ['here before', 'abc']);
});

test('the log is kept for the window and goes when that is over', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule());
  for (let i = 0; i < 100; i++) rig.publish(queue, 'x'.repeat(30_000), { dedupId: String(i) });
  rig.turn();
  rig.takeAll(queue);
  rig.turn();
  assert.equal(queue.log.startOffset, 0);
  rig.pass(1000);
  assert.ok(queue.log.startOffset > 0, 'nobody had to publish anything for that');
  assert.equal(rig.schedule.size, 0);
});

/** Which ids a queue with this rule takes, in plain arrays. */
class Model {
  readonly #seen: { id: string; group: string; timeMs: number; offset: number }[] = [];
  scope: DuplicateRule['scope'] = 'queue';

  find(id: string, group: string, nowMs: number): number {
    const found = this.#seen.findLast(
      (each) =>
        each.id === id &&
        (this.scope === 'queue' || each.group === group) &&
        each.timeMs + RULE.windowMs > nowMs,
    );
    return found === undefined ? -1 : found.offset;
  }

  add(id: string, group: string, timeMs: number, offset: number): void {
    this.#seen.push({ id, group, timeMs, offset });
  }
}

async function randomRun(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const below = (count: number): number => Math.floor(random.next() * count);
  const rig = await QueueRig.open();
  const options: Partial<QueueOptions> = { ...withRule(), grouping: 'fifo' };
  let queue: Queue = rig.declare('q', options);
  const model = new Model();
  const expected: string[] = [];
  const got: string[] = [];
  const offsets: number[] = [];
  for (let step = 0; step < 400; step++) {
    const dice = random.next();
    if (dice < 0.6) {
      const [id, group] = [`id ${below(20)}`, `group ${below(3)}`];
      const text = `${seed}.${step}`;
      const first = model.find(id, group, rig.nowMs);
      const message = rig.message(text, { dedupId: id, group, durable: true });
      const offset = queue.nextOffset;
      assert.equal(queue.duplicateOf(message), first, `step ${step}`);
      queue.publish(message);
      assert.equal(queue.nextOffset, first < 0 ? offset + 1 : offset);
      if (first >= 0) continue;
      model.add(id, group, rig.nowMs, offset);
      expected.push(text);
    } else if (dice < 0.75) {
      queue.lease(1 + below(4), 1e9, rig, (message, lease) => {
        got.push(bodyText(message));
        offsets.push(lease.offset);
      });
      for (const offset of offsets.splice(0)) queue.accept(offset);
    } else if (dice < 0.93) rig.pass(below(200));
    else if (dice < 0.96) {
      model.scope = model.scope === 'queue' ? 'group' : 'queue';
      const duplicates = { ...RULE, scope: model.scope };
      queue.alter({ duplicates });
      Object.assign(options, { duplicates });
    } else {
      rig.turn();
      await rig.restart({ q: options }, rig.store);
      queue = rig.queues.get('q')!;
    }
  }
  while (queue.readyCount > 0) {
    queue.lease(10, 1e9, rig, (message, lease) => {
      got.push(bodyText(message));
      offsets.push(lease.offset);
    });
    for (const offset of offsets.splice(0)) queue.accept(offset);
  }
  assert.deepEqual(got.toSorted(), expected.toSorted());
}

test('random runs with restarts know every duplicate of the window and no other', async () => {
  for (let seed = 1; seed <= 100; seed++) {
    await randomRun(seed).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});

test('a crash takes the id with the message', async () => {
  const rig = await QueueRig.open();
  const queue = rig.declare('q', withRule());
  rig.publish(queue, 'a', { dedupId: 'a', durable: true });
  rig.turn();
  const { name } = queue.log;
  const { store } = rig;
  await store.remove(queue.log);
  store.create(name, logConfig());
  await rig.restart({ q: withRule() }, store);
  const again = rig.queues.get('q')!;
  assert.equal(rig.publish(again, 'a', { dedupId: 'a' }), Outcome.Routed);
  assert.deepEqual(rig.takeAll(again), ['a']);
});
