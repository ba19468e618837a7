import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { journalist, type Logger } from './log.ts';
import { StandardError } from './standard-error.ts';

const MODULE = new URL('standard-error.ts', import.meta.url).href;

describe('lines on stderr', { timeout: 20_000 }, () => {
  it('do not wait for a pipe that nobody reads, and the loss is told when somebody does', async () => {
    const script = `
      import { StandardError } from '${MODULE}';
      const stderr = new StandardError();
      for (let i = 0; i < 5000; i++) stderr.write('x'.repeat(99) + '\\n');
      process.stdout.write('went on');
      process.stdin.once('data', () => { stderr.write('last\\n'); process.exit(); });
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    child.stderr.pause();
    const [text] = (await once(child.stdout, 'data')) as [Buffer];
    assert.equal(text.toString(), 'went on');
    let heard = '';
    child.stderr.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    child.stderr.resume();
    await new Promise((resolve) => setTimeout(resolve, 300));
    child.stdin.write('x');
    await once(child, 'close');
    const lines = heard.trimEnd().split('\n');
    assert.equal(lines.at(-1), 'last');
    let count = lines.filter((it_) => it_ === 'x'.repeat(99)).length;
    assert.ok(count < 5000);
    for (const [, lost] of heard.matchAll(/"count":(\d+)\}/g)) count += Number(lost);
    assert.equal(count, 5000);
  });

  it('that went out in part are ended before the next one', () => {
    const written: string[] = [];
    const stderr = new StandardError(0, (_fd, text) => {
      written.push(text);
      return written.length === 1 ? 3 : text.length;
    });
    stderr.write('first\n');
    stderr.write('second\n');
    assert.match(written[1]!, /^\n\{.*"count":1\}\nsecond\n$/);
  });
});

describe('warnings of the core', () => {
  it('of one kind are said so often in a second, then counted', (t) => {
    t.mock.method(performance, 'now', () => nowMs);
    let nowMs = 1_000;
    const said: [string, object][] = [];
    const log = journalist({
      warn: (fields: object, message: string) => void said.push([message, fields]),
    } as unknown as Logger);
    for (let i = 0; i < 50; i++) log.warn('closing', { i });
    log.warn('another');
    assert.equal(said.length, 21);
    nowMs += 1_000;
    log.warn('closing', { i: 50 });
    assert.deepEqual(said.slice(21), [
      ['closing: more of them than were said', { unsaid: 30 }],
      ['closing', { i: 50 }],
    ]);
  });
});
