import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { makeBatch } from '#test/contracts/batches.ts';
import { BrokerRig, RigPorts, textMessage } from '#test/rigs/broker-rig.ts';
import { DiskStore } from '#storage/disk-store.ts';
import { Outcome } from './message/message.ts';

async function openOn(folder: string): Promise<BrokerRig> {
  const ports = new RigPorts();
  const fatal = (error: Error): never => {
    throw error;
  };
  return BrokerRig.open({ ports, store: await DiskStore.open(folder, { ports, fatal }) });
}

/** Runs `task` with a broker over a new folder, as often as it asks for. */
async function withFolder(task: (open: () => Promise<BrokerRig>) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'posthorn-broker-'));
  const opened: BrokerRig[] = [];
  try {
    await task(async () => {
      await opened.at(-1)?.broker.close();
      const rig = await openOn(folder);
      opened.push(rig);
      return rig;
    });
  } finally {
    await opened.at(-1)?.broker.close();
    await rm(folder, { recursive: true, force: true });
  }
}

test('a broker over a folder comes back with all it had, in a new epoch', async () => {
  await withFolder(async (open) => {
    let rig = await open();
    assert.equal(rig.broker.epoch, 1);
    const { clusterId } = rig.broker;
    rig.queue('a/b ü', { durable: true });
    rig.queue('gone');
    const topic = rig.namespace.createTopic('t', {
      partitions: 2,
      replicationFactor: 1,
      config: {},
    });
    rig.namespace.bind('amq.topic', { kind: 'queue', name: 'a/b ü' }, 'k.#', {});
    const message = textMessage('x');
    message.durable = true;
    assert.equal(rig.publish('amq.topic', 'k', message), Outcome.Routed | Outcome.AwaitCommit);
    topic.partitions[1]!.append(makeBatch({ timestampsMs: [1, 2] }));
    await rig.broker.committed();
    rig = await open();
    assert.equal(rig.broker.epoch, 2);
    assert.equal(rig.broker.clusterId, clusterId);
    assert.deepEqual([...rig.namespace.queues.keys()], ['a/b ü']);
    assert.equal(rig.namespace.queue('a/b ü', null).readyCount, 1);
    const partition = rig.namespace.topic('t').partitions[1]!;
    assert.equal(partition.committedOffset, 2);
    partition.append(makeBatch());
    assert.deepEqual(partition.log.epochs, [
      { epoch: 1, startOffset: 0 },
      { epoch: 2, startOffset: 2 },
    ]);
    rig.namespace.deleteQueue('a/b ü', { ifUnused: false, ifEmpty: false, owner: null });
    rig.namespace.deleteTopic('t');
    rig.namespace.createTopic('t', { partitions: 1, replicationFactor: 1, config: {} });
    await rig.broker.committed();
    rig = await open();
    assert.equal(rig.namespace.queues.size, 0);
    assert.equal(rig.namespace.topic('t').partitions[0]!.endOffset, 0);
    const logs = [...(await rig.store.list('queues/')), ...(await rig.store.list('topics/'))];
    assert.deepEqual(logs, ['topics/default/t-0']);
  });
});

test('opens soon when there is little', async () => {
  await withFolder(async (open) => {
    const rig = await open();
    for (let i = 0; i < 20; i++) rig.queue(`q${i}`, { durable: true });
    for (let i = 0; i < 10; i++) {
      rig.namespace.createTopic(`t${i}`, { partitions: 2, replicationFactor: 1, config: {} });
    }
    await rig.broker.committed();
    const startedAt = performance.now();
    const again = await open();
    const tookMs = performance.now() - startedAt;
    assert.equal(again.namespace.queues.size, 20);
    // It is about 30 ms on an idle machine; this one may be busy.
    assert.ok(tookMs < 1000, `${tookMs} ms`);
  });
});
