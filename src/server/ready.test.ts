import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSettings } from './config.ts';
import { readyLine } from './ready.ts';

describe('the ready line', () => {
  it('names every address, so that people and scripts can use it', async () => {
    const settings = await readSettings({ data: '/var/lib/posthorn', sync: 'os' });
    const bound = [
      { name: 'kafka', port: 9092, hosts: ['127.0.0.1', '::1'] },
      { name: 'http', port: 15672, hosts: ['127.0.0.1'] },
    ];
    assert.equal(
      readyLine(bound, settings, 211.6),
      'posthorn ready in 212 ms kafka=127.0.0.1:9092,[::1]:9092 http=127.0.0.1:15672 ' +
        'data=/var/lib/posthorn sync=os',
    );
  });
});
