import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BrokerRun } from './broker-run.ts';

/** POSTHORN_SEEDS=5000 for a long run, POSTHORN_SEED=n for one seed. */
const only = process.env['POSTHORN_SEED'];
const count = Number(process.env['POSTHORN_SEEDS'] ?? 25);
const seeds = only === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(only)];

test(`a broker keeps its promises over ${seeds.length} seeded lives`, async () => {
  const sum = { crashes: 0, confirmed: 0, acknowledged: 0 };
  for (const seed of seeds) {
    try {
      const result = await new BrokerRun(seed).run(4, 80);
      sum.crashes += result.crashes;
      sum.confirmed += result.confirmed;
      sum.acknowledged += result.acknowledged;
    } catch (error) {
      throw new Error(`seed ${seed} failed; POSTHORN_SEED=${seed} runs it alone`, { cause: error });
    }
  }
  if (only !== undefined) return;
  assert.ok(sum.crashes >= seeds.length, 'there were hardly any crashes');
  assert.ok(sum.confirmed > seeds.length * 50, 'hardly anything was confirmed');
  assert.ok(sum.acknowledged > seeds.length * 10, 'hardly anything was produced');
});
