/**
 * docs/testing.md: every block of code in it is run as it stands there, with the package. So is what
 * README.md shows of it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { codeBlocks, runnerOf, testFile } from './code-blocks.ts';
import { Stage } from './stage.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const blocksOf = (page: string) => codeBlocks(readFileSync(join(ROOT, page), 'utf8'));
const CLIENTS = ['@aws-sdk/client-sqs', '@nats-io/transport-node', 'amqplib', 'kafkajs'];
/** What a fragment takes for granted. */
const IMPORTS = `
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { connect as connectNats, type ConnectionOptions } from '@nats-io/transport-node';
import amqp, { type ChannelModel } from 'amqplib';
import { Kafka } from 'kafkajs';
import { startBroker } from 'posthorn';

const opened: { close(): Promise<unknown> }[] = [];
async function keep<T extends { close(): Promise<unknown> }>(opening: Promise<T>): Promise<T> {
  const it = await opening;
  opened.push(it);
  return it;
}
afterEach(async () => {
  for (const it of opened.splice(0)) await it.close().catch(() => {});
});
const amqplib = { connect: (url: string): Promise<ChannelModel> => keep(amqp.connect(url)) };
const connect = (options: ConnectionOptions) => keep(connectNats(options));
`;

let stage: Stage;
before(async () => {
  stage = await Stage.create();
  stage.link([...CLIENTS, 'vitest', '@types/node', 'undici-types']);
});
after(() => stage.remove());

const blocks = blocksOf('docs/testing.md');
const ofReadme = blocksOf('README.md').filter(({ text }) => text.includes("from 'posthorn'"));
const fragments = blocks.filter((it) => runnerOf(it) === null);

test('all of it is code that can be run', () => {
  assert.ok(blocks.length > 5);
  assert.equal(ofReadme.length, 1);
  for (const { language, heading } of blocks) assert.match(language, /^(js|ts)$/, heading);
});

test('the fragments', async () => {
  writeFileSync(join(stage.folder, 'fragments.test.mts'), testFile(fragments, IMPORTS));
  const args = ['--test', '--test-reporter=tap', 'fragments.test.mts'];
  const { stdout } = await stage.mustRun(process.execPath, args);
  assert.match(stdout, new RegExp(`^# pass ${fragments.length}$`, 'm'));
});

test('their types', async () => {
  writeFileSync(join(stage.folder, 'fragments.test.mts'), testFile(fragments, IMPORTS));
  const compilerOptions = {
    target: 'esnext',
    module: 'nodenext',
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    types: ['node'],
  };
  const config = { compilerOptions, files: ['fragments.test.mts'] };
  writeFileSync(join(stage.folder, 'tsconfig.json'), JSON.stringify(config));
  await stage.mustRun(stage.tool('tsc'), ['--project', '.']);
});

const files = [...blocks, ...ofReadme].filter((it) => runnerOf(it) !== null);
for (const [i, block] of files.entries()) {
  const runner = runnerOf(block)!;
  test(`the test file for ${runner} under '${block.heading}'`, async () => {
    const file = `page-${i}.test.${block.language === 'ts' ? 'mts' : 'mjs'}`;
    writeFileSync(join(stage.folder, file), block.text);
    const { stdout } =
      runner === 'vitest'
        ? await stage.mustRun(stage.tool('vitest'), ['run', '--no-color', file])
        : await stage.mustRun(process.execPath, ['--test', '--test-reporter=tap', file]);
    assert.match(stdout, /^(# pass 1| +Tests +1 passed \(1\))$/m);
  });
}
